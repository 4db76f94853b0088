package wire

import (
	"crypto/md5"
	"encoding/binary"
)

const (
	// ChallengeBytes is what a gateway sends first on its server port.
	ChallengeBytes = 8
	// ResponseBytes is what a server answers.
	ResponseBytes = md5.Size + 4
)

// Response answers a challenge: the proof that the server knows the key, then its ID.
func Response(challenge [ChallengeBytes]byte, key string, serverID uint32) [ResponseBytes]byte {
	proof := md5.Sum(append(challenge[:], key...))
	var response [ResponseBytes]byte
	copy(response[:], proof[:])
	binary.LittleEndian.PutUint32(response[md5.Size:], serverID)
	return response
}
