package session

import (
	"testing"
	"time"
)

// What came by the older transport after the acceptor named its count is acknowledged by the newer one, which may not have
// been given it yet. It has to be given it all the same: the other end counts what comes by each transport.
func TestAnAcknowledgementMayRunAheadOfTheTransportThatBringsIt(t *testing.T) {
	s := newSecure(nil, 1<<16)
	older, now := &transport{}, time.Now()
	s.push(make([]byte, 1000), older)
	s.layOut(older, nil, pumpBytes, now)
	newer := &transport{cursor: 400, keys: older.keys}
	if err := s.out.acknowledge(400, newer.cursor); err != nil {
		t.Fatal(err)
	}
	if err := s.out.acknowledge(900, newer.cursor); err != nil {
		t.Fatalf("what the older transport was given was acknowledged: %v", err)
	}
	if from, bytes := s.out.waiting(newer.cursor); from != 0 || bytes != 600 {
		t.Errorf("%d bytes from %d on are to be given, want 600", bytes, from)
	}
	s.layOut(newer, nil, pumpBytes, now)
	if left := s.out.kept.len(); left != 100 {
		t.Errorf("%d bytes are kept, want the last 100", left)
	}
	if err := s.out.acknowledge(1001, newer.cursor); err == nil {
		t.Error("more was acknowledged than was sent")
	}
	if err := s.out.acknowledge(899, newer.cursor); err == nil {
		t.Error("an acknowledgement fell")
	}
}
