package link_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"fastway/link"
)

// slowCodec sends when it may.
type slowCodec struct {
	may    chan struct{}
	sent   atomic.Int32
	closed atomic.Int32
}

func (c *slowCodec) Receive() (interface{}, error) { return nil, errors.New("nothing comes") }

func (c *slowCodec) Send(interface{}) error {
	<-c.may
	c.sent.Add(1)
	return nil
}

func (c *slowCodec) Close() error {
	c.closed.Add(1)
	return nil
}

func TestASessionThatSendsByItselfIsClosedWhenTooMuchWaits(t *testing.T) {
	codec := &slowCodec{may: make(chan struct{})}
	session := link.NewSession(codec, 2)
	var err error
	for i := 0; i < 10 && err == nil; i++ {
		err = session.Send(i)
	}
	if err != link.SessionBlockedError || !session.IsClosed() || codec.closed.Load() != 1 {
		t.Fatalf("%v, closed %v", err, session.IsClosed())
	}
	if err := session.Send("more"); err != link.SessionClosedError {
		t.Errorf("a send after that gave %v", err)
	}
	close(codec.may)
}

func TestAFailedReceiveClosesTheSessionOnce(t *testing.T) {
	codec := &slowCodec{}
	session := link.NewSession(codec, 0)
	for range 3 {
		if _, err := session.Receive(); err == nil {
			t.Fatal("something came")
		}
	}
	if !session.IsClosed() || codec.closed.Load() != 1 {
		t.Errorf("closed %d times", codec.closed.Load())
	}
	if other := link.NewSession(codec, 0); other.ID() == session.ID() || other.Codec() != link.Codec(codec) {
		t.Error("two sessions have one ID")
	}
}
