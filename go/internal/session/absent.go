//go:build !plan9

package session

import (
	"errors"
	"io"
	"syscall"
)

// What Windows calls these.
const (
	windowsConnRefused = syscall.Errno(10061)
	windowsConnReset   = syscall.Errno(10054)
)

// NobodyListens tells whether a machine is there and the gateway is not.
func NobodyListens(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, windowsConnRefused)
}

// EndedByPeer tells whether the other end has ended a connection.
func EndedByPeer(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, windowsConnReset} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}
