package embedded

import (
	"sync"
	"time"

	"github.com/sluicehq/sluice/internal/chdb"
)

// maxSessions bounds the connections that clients can leave open.
const maxSessions = 64

// sessions are connections that outlive a request, by role and session_id.
type sessions struct {
	mu     sync.Mutex
	byID   map[sessionKey]*session
	closed bool
}

type sessionKey struct {
	role role
	id   string
}

type session struct {
	conn  *chdb.Conn
	busy  bool
	timer *time.Timer
}

// take returns the session's connection, opened by open if there is none yet,
// and how to give it back.
func (s *sessions) take(key sessionKey, mustExist bool, life time.Duration, open func() (*chdb.Conn, error)) (
	c *chdb.Conn, release func(broken bool), err error,
) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses := s.byID[key]
	switch {
	case s.closed:
		return nil, nil, exceptionf(codeQueryCancelled, "QUERY_WAS_CANCELLED", "the server is stopping")
	case ses != nil && ses.busy:
		return nil, nil, exceptionf(codeSessionLocked, "SESSION_IS_LOCKED",
			"Session %.64q is locked by a concurrent client", key.id)
	case ses == nil && mustExist:
		return nil, nil, exceptionf(codeSessionNotFound, "SESSION_NOT_FOUND", "Session %.64q not found", key.id)
	case ses == nil && len(s.byID) >= maxSessions:
		return nil, nil, exceptionf(codeTooManyQueries, "TOO_MANY_SIMULTANEOUS_QUERIES",
			"%d sessions are open; let one time out, or do without session_id", maxSessions)
	case ses == nil:
		conn, err := open()
		if err != nil {
			return nil, nil, err
		}
		ses = &session{conn: conn}
		if s.byID == nil {
			s.byID = make(map[sessionKey]*session)
		}
		s.byID[key] = ses
	}
	if ses.timer != nil {
		ses.timer.Stop()
	}
	ses.busy = true
	return ses.conn, func(broken bool) { s.giveBack(key, ses, life, broken) }, nil
}

func (s *sessions) giveBack(key sessionKey, ses *session, life time.Duration, broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses.busy = false
	if broken || s.closed {
		delete(s.byID, key)
		ses.conn.Close()
		return
	}
	ses.timer = time.AfterFunc(life, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		// A request may have taken it between the timer's end and the lock.
		if s.byID[key] == ses && !ses.busy {
			delete(s.byID, key)
			ses.conn.Close()
		}
	})
}

// close closes the sessions that are idle; a busy one is closed when it is
// given back.
func (s *sessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for key, ses := range s.byID {
		if ses.timer != nil {
			ses.timer.Stop()
		}
		if !ses.busy {
			delete(s.byID, key)
			ses.conn.Close()
		}
	}
}
