package crowd

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// crowd is the connections of one server.
type crowd struct {
	limit int

	mu      sync.Mutex
	all     map[net.Conn]*member
	waiting list.List // members that are not at work, the oldest first
}

// member is one connection.
type member struct {
	crowd *crowd
	conn  net.Conn
	place *list.Element // in waiting; nil at work
	gone  bool
}

type memberKey struct{}

// Limit makes a server, which does not serve yet, keep at most limit connections.
// Those at work are never closed: whoever calls AtWork bounds them.
func Limit(s *http.Server, limit int) {
	c := &crowd{limit: limit, all: map[net.Conn]*member{}}
	inner := s.ConnContext
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if inner != nil {
			ctx = inner(ctx, conn)
		}
		return context.WithValue(ctx, memberKey{}, c.join(conn))
	}
	s.ConnState = func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateIdle:
			c.answered(conn)
		case http.StateClosed, http.StateHijacked:
			c.leave(conn)
		}
	}
}

// AtWork keeps the connection of a request from being closed until done is called.
func AtWork(ctx context.Context) (done func()) {
	m, ok := ctx.Value(memberKey{}).(*member)
	if !ok {
		return func() {}
	}
	m.crowd.setWaiting(m, false)
	return func() { m.crowd.setWaiting(m, true) }
}

// Handler has all requests be at work from their header on.
func Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer AtWork(r.Context())()
		h.ServeHTTP(w, r)
	})
}

func (c *crowd) join(conn net.Conn) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := &member{crowd: c, conn: conn}
	m.place = c.waiting.PushBack(m)
	c.all[conn] = m
	if len(c.all) > c.limit {
		oldest := c.waiting.Front().Value.(*member)
		c.forget(oldest)
		_ = oldest.conn.Close() // its goroutine notices
	}
	return m
}

func (c *crowd) leave(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.all[conn]; m != nil {
		c.forget(m)
	}
}

// answered lets the time begin anew: the client kept nobody waiting.
func (c *crowd) answered(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.all[conn]; m != nil && m.place != nil {
		c.waiting.MoveToBack(m.place)
	}
}

func (c *crowd) forget(m *member) {
	delete(c.all, m.conn)
	m.gone = true
	if m.place != nil {
		c.waiting.Remove(m.place)
		m.place = nil
	}
}

func (c *crowd) setWaiting(m *member, waiting bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case m.gone || waiting == (m.place != nil):
	case waiting:
		m.place = c.waiting.PushBack(m)
	default:
		c.waiting.Remove(m.place)
		m.place = nil
	}
}
