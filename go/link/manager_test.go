package link_test

import (
	"sync"
	"testing"

	"fastway/link"
)

func TestAManagerKeepsSessionsUntilTheirCallbacksHaveReturned(t *testing.T) {
	manager := link.NewManager()
	session := manager.NewSession(newSilent(), 0)
	if manager.GetSession(session.ID()) != session || manager.GetSession(session.ID()+1) != nil {
		t.Error("another session was found")
	}
	called, goOn := make(chan struct{}), make(chan struct{})
	session.AddCloseCallback(t, "wait", func() {
		close(called)
		<-goOn
	})
	session.Close()
	await(t, "the callback is called", called)
	if manager.GetSession(session.ID()) != session {
		t.Error("it is forgotten already")
	}
	close(goOn)
	eventually(t, "it is forgotten", func() bool { return manager.GetSession(session.ID()) == nil })
}

func TestDisposeClosesAllSessionsAndThoseThatComeLater(t *testing.T) {
	manager := link.NewManager()
	sessions := make(chan *link.Session, 1000)
	var makers sync.WaitGroup
	for range 10 {
		makers.Add(1)
		go func() {
			defer makers.Done()
			for range 100 {
				sessions <- manager.NewSession(newSilent(), 1)
			}
		}()
	}
	first := <-sessions
	manager.Dispose()
	if !first.IsClosed() || manager.GetSession(first.ID()) != nil {
		t.Error("a session outlives Dispose")
	}
	makers.Wait()
	for range len(sessions) {
		if session := <-sessions; !session.IsClosed() || manager.GetSession(session.ID()) != nil {
			t.Fatal("a session outlives Dispose")
		}
	}
	manager.Dispose()
}
