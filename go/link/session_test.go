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

func TestCloseCallbacksAreCalledInTheirOrderAfterTheCodecWasClosed(t *testing.T) {
	codec := &slowCodec{}
	session := link.NewSession(codec, 0)
	called := make(chan int, 20)
	for i := range 10 {
		callback := func() { called <- i + 100*int(codec.closed.Load()) }
		session.AddCloseCallback(nil, i, callback)
		session.RemoveCloseCallback(nil, i)
		session.AddCloseCallback(nil, i, callback)
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if number := await(t, "a callback", called); number != 100+i {
			t.Fatalf("number %d was called as number %d", number, i)
		}
	}
	session.AddCloseCallback(nil, "late", func() { t.Error("a callback was called that came after the close") })
	if err := session.Close(); err != link.SessionClosedError {
		t.Errorf("another Close gave %v", err)
	}
}

// clearing is a codec with ClearSendChan.
type clearing struct {
	slowCodec
	left chan int
}

func (c *clearing) ClearSendChan(queue <-chan interface{}) {
	count := 0
	for range queue {
		count++
	}
	c.left <- count
}

func TestACodecIsGivenWhatWasNotSent(t *testing.T) {
	codec := &clearing{slowCodec{may: make(chan struct{})}, make(chan int, 1)}
	session := link.NewSession(codec, 10)
	const messages = 5
	for i := range messages {
		if err := session.Send(i); err != nil {
			t.Fatal(err)
		}
	}
	session.Close()
	left := await(t, "the codec is told", codec.left)
	close(codec.may)
	// One may be with the codec.
	if left != messages && left != messages-1 {
		t.Errorf("%d messages were left", left)
	}
	if err := session.Send("more"); err != link.SessionClosedError {
		t.Errorf("a send after that gave %v", err)
	}
}
