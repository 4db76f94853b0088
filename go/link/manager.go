package link

import "sync"

// Manager keeps the sessions that it makes until they are closed.
type Manager struct {
	mu       sync.RWMutex
	sessions map[uint64]*Session
	disposed bool
	// living counts the sessions with close callbacks that have not returned.
	living sync.WaitGroup
}

// NewManager makes a manager without sessions.
func NewManager() *Manager { return &Manager{sessions: make(map[uint64]*Session)} }

// NewSession makes a session as the function NewSession does. After Dispose the session is closed.
func (m *Manager) NewSession(codec Codec, sendChanSize int) *Session {
	session := newSession(codec, sendChanSize)
	if m.add(session) {
		session.start()
	} else {
		_ = session.Close()
	}
	return session
}

// add is false after Dispose.
func (m *Manager) add(session *Session) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.disposed {
		return false
	}
	m.sessions[session.id] = session
	m.living.Add(1)
	session.onEnd = func() { m.remove(session) }
	return true
}

func (m *Manager) remove(session *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, session.id)
	m.living.Done()
}

// GetSession finds a session by its ID; nil if there is none, or its close callbacks have returned.
func (m *Manager) GetSession(sessionID uint64) *Session {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.sessions[sessionID]
}

// Dispose closes all sessions and waits until their close callbacks have returned, so it must not be called by one. Sessions
// that are made afterwards are closed.
func (m *Manager) Dispose() {
	for _, session := range m.dispose() {
		_ = session.Close()
	}
	m.living.Wait()
}

func (m *Manager) dispose() []*Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disposed = true
	all := make([]*Session, 0, len(m.sessions))
	for _, session := range m.sessions {
		all = append(all, session)
	}
	return all
}
