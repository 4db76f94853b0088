package link

import "sync"

// KEY identifies a session in a Channel: any comparable value.
type KEY interface{}

// Channel is a group of sessions, for broadcasts. A closed session leaves it.
//
// Its methods may be called from several goroutines at a time.
type Channel struct {
	// State is the application's own.
	State interface{}

	mu       sync.RWMutex
	sessions map[KEY]*Session
}

// NewChannel makes a group without sessions.
func NewChannel() *Channel { return &Channel{sessions: make(map[KEY]*Session)} }

// Len is the number of sessions.
func (c *Channel) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.sessions)
}

// Fetch calls a function for each session, in no particular order. The function may send to sessions and close them, but
// must not call methods of the channel. When Remove has returned, no Fetch calls anything for that session.
func (c *Channel) Fetch(callback func(session *Session)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, session := range c.sessions {
		callback(session)
	}
}

// Get finds a session; nil if there is none under that key.
func (c *Channel) Get(key KEY) *Session {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.sessions[key]
}

// Put adds a session under a key, instead of the one that is there. One that is closed is not kept.
func (c *Channel) Put(key KEY, session *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
	c.sessions[key] = session
	session.AddCloseCallback(c, key, func() { c.left(key, session) })
	if session.IsClosed() {
		// Its callbacks are called already, or were before there was this one.
		c.remove(key)
	}
}

// left takes note of the end of a session, unless another one has its key by now.
func (c *Channel) left(key KEY, session *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions[key] == session {
		delete(c.sessions, key)
	}
}

// Remove takes a session out; false if there is none under that key.
func (c *Channel) Remove(key KEY) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.remove(key)
}

func (c *Channel) remove(key KEY) bool {
	session, exists := c.sessions[key]
	if exists {
		session.RemoveCloseCallback(c, key)
		delete(c.sessions, key)
	}
	return exists
}

// FetchAndRemove takes all sessions out and calls a function for each, in no particular order.
func (c *Channel) FetchAndRemove(callback func(session *Session)) {
	for _, session := range c.takeAll() {
		callback(session)
	}
}

// Close takes all sessions out. They are not closed.
func (c *Channel) Close() { c.takeAll() }

func (c *Channel) takeAll() map[KEY]*Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.sessions
	c.sessions = make(map[KEY]*Session)
	for key, session := range all {
		session.RemoveCloseCallback(c, key)
	}
	return all
}
