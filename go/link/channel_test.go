package link_test

import (
	"testing"

	"fastway/link"
)

func newSession() *link.Session { return link.NewSession(newSilent(), 0) }

func TestAChannelFindsSessionsByTheirKeys(t *testing.T) {
	channel := link.NewChannel()
	channel.State = "lobby"
	one, two := newSession(), newSession()
	channel.Put("one", one)
	channel.Put(2, two)
	if channel.Len() != 2 || channel.Get("one") != one || channel.Get(2) != two || channel.Get("two") != nil {
		t.Error("other sessions were found")
	}
	met := map[*link.Session]int{}
	channel.Fetch(func(session *link.Session) { met[session]++ })
	if len(met) != 2 || met[one] != 1 || met[two] != 1 {
		t.Errorf("Fetch met %v", met)
	}
	if !channel.Remove("one") || channel.Remove("one") || channel.Get("one") != nil || channel.Len() != 1 {
		t.Error("a session that was taken out is there")
	}
	if one.IsClosed() {
		t.Error("it was closed")
	}
}

func TestASessionThatIsClosedLeavesItsChannels(t *testing.T) {
	lobby, game := link.NewChannel(), link.NewChannel()
	session, other := newSession(), newSession()
	lobby.Put(1, session)
	game.Put("a", session)
	game.Put("b", other)
	session.Close()
	eventually(t, "it has left", func() bool { return lobby.Len() == 0 && game.Len() == 1 })
	if game.Get("b") != other {
		t.Error("another one has left")
	}
}

func TestASessionThatWasTakenOutIsNotTakenOutAgainByItsClose(t *testing.T) {
	channel := link.NewChannel()
	first, second := newSession(), newSession()
	channel.Put("key", first)
	channel.Put("key", second)
	called := make(chan struct{})
	first.AddCloseCallback(t, "last", func() { close(called) })
	first.Close()
	await(t, "the callbacks are called", called)
	if channel.Get("key") != second {
		t.Error("the close of another session took it out")
	}
}

// In the original, the close callback of the older session takes the newer one out.
func TestASessionStaysUnderAKeyWhoseOwnerWasClosedBefore(t *testing.T) {
	channel := link.NewChannel()
	first, second := newSession(), newSession()
	// The callbacks of the first one stand still before the channel's.
	started, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	first.AddCloseCallback(t, "stand still", func() {
		close(started)
		<-goOn
	})
	channel.Put("key", first)
	first.AddCloseCallback(t, "last", func() { close(ended) })
	first.Close()
	await(t, "the callbacks are called", started)
	channel.Put("key", second)
	close(goOn)
	await(t, "the callbacks have returned", ended)
	if channel.Get("key") != second {
		t.Error("it is gone")
	}
}

// In the original it stays for good.
func TestASessionThatIsClosedDoesNotStayInAChannel(t *testing.T) {
	channel := link.NewChannel()
	session := newSession()
	session.Close()
	channel.Put("key", session)
	if channel.Len() != 0 {
		t.Error("it stays")
	}
}

func TestFetchAndRemoveAndCloseTakeAllOut(t *testing.T) {
	channel := link.NewChannel()
	channel.Put(1, newSession())
	channel.Put(2, newSession())
	met := 0
	channel.FetchAndRemove(func(session *link.Session) {
		met++
		session.Close()
	})
	if met != 2 || channel.Len() != 0 {
		t.Errorf("it met %d sessions, and %d are left", met, channel.Len())
	}
	last := newSession()
	channel.Put(3, last)
	channel.Close()
	if channel.Len() != 0 || last.IsClosed() {
		t.Error("Close closes sessions, or takes none out")
	}
	channel.Put(4, last)
	if channel.Get(4) != last {
		t.Error("a channel takes no session after Close")
	}
}

func TestABroadcastReachesEverySessionOfAChannelInOrder(t *testing.T) {
	const players, messages = 10, 200
	channel, joined := link.NewChannel(), make(chan struct{}, players)
	server, _ := serve(t, lengths, messages, func(session *link.Session) {
		channel.Put(session.ID(), session)
		joined <- struct{}{}
	})
	var clients []*link.Session
	for range players {
		clients = append(clients, dial(t, server, 0))
	}
	for range players {
		await(t, "a player has joined", joined)
	}
	for i := range messages {
		channel.Fetch(func(session *link.Session) {
			if err := session.Send([]byte{byte(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	for _, client := range clients {
		for i := range messages {
			if message, err := client.Receive(); err != nil || message.([]byte)[0] != byte(i) {
				t.Fatalf("message %d is %v, %v", i, message, err)
			}
		}
	}
}
