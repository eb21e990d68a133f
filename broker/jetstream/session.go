package jetstream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/nats-io/nats.go"
)

// errSessionEnded is why a request has no answer: the connection it went over is gone.
var errSessionEnded = errors.New("the connection was lost")

// session is the time between connecting and losing the connection. What was
// delivered in one session cannot be settled in another.
type session struct {
	number uint64          // how often the connection was renewed before
	server string          // which run of a single server; empty in a cluster
	over   context.Context // ends with the session
	end    context.CancelFunc
}

func newSession(number uint64, server string) *session {
	s := &session{number: number, server: server}
	s.over, s.end = context.WithCancel(context.Background())
	return s
}

func (s *session) alive() bool            { return s.over.Err() == nil }
func (s *session) ended() <-chan struct{} { return s.over.Done() }

// sessions follows the state of the connection.
type sessions struct {
	nc    *nats.Conn
	began func() // called, from the watcher, when a session begins

	mu      sync.Mutex // guards the fields below
	current *session   // nil while there is no connection
	payload int64      // the largest message that the server takes
	changed chan struct{}
	closed  bool
}

func newSessions(nc *nats.Conn, began func()) *sessions {
	s := &sessions{nc: nc, began: began, changed: make(chan struct{})}
	s.look()
	return s
}

// watch notices changes until ctx ends.
func (s *sessions) watch(ctx context.Context) {
	news := s.nc.StatusChanged()
	defer s.nc.RemoveStatusListener(news)
	s.look()
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-news:
			if !ok { // the connection was closed for good
				s.look()
				return
			}
			if s.look() {
				s.began()
			}
		}
	}
}

// look compares what is known with the connection, and tells whether a session began.
func (s *sessions) look() (began bool) {
	status, number, payload := s.nc.Status(), s.nc.Stats().Reconnects, s.nc.MaxPayload()
	up := status == nats.CONNECTED || status == nats.DRAINING_SUBS || status == nats.DRAINING_PUBS
	server := ""
	if s.nc.ConnectedClusterName() == "" {
		server = s.nc.ConnectedServerId()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if c := s.current; c != nil && (!up || c.number != number) {
		c.end()
		s.current = nil
		s.announce()
	}
	if up && s.current == nil {
		s.current, s.payload = newSession(number, server), payload
		s.announce()
		began = true
	}
	if status == nats.CLOSED {
		s.closed = true
		s.announce()
	}
	return began
}

// announce wakes all who wait. The caller holds mu.
func (s *sessions) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// end is for Close: there is no session any more.
func (s *sessions) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		s.current.end()
		s.current = nil
	}
	s.closed = true
	s.announce()
}

func (s *sessions) now() (current *session, changed <-chan struct{}, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, s.changed, s.closed
}

func (s *sessions) maxPayload() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.payload
}

// wait returns the session, as soon as there is one.
func (s *sessions) wait(ctx context.Context) (*session, error) {
	for {
		current, changed, closed := s.now()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case closed:
			return nil, broker.ErrClosed
		case current != nil:
			return current, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ask runs a request to the server that may be repeated, until it has an answer:
// again after each lost connection, within the limits of ctx and publishLimit.
func ask[T any](ctx context.Context, b *Broker, request func(ctx context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, publishLimit)
	defer cancel()
	for {
		s, err := b.sessions.wait(ctx)
		if err != nil {
			return *new(T), failure(err)
		}
		answer, err := during(ctx, s, request)
		if err == nil || !lost(err) || ctx.Err() != nil {
			return answer, failure(err)
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// during runs a request and gives it up when the session or ctx ends, even when
// the client library is busy connecting and does not look at ctx meanwhile.
func during[T any](ctx context.Context, s *session, request func(ctx context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.over, func() { cancel(errSessionEnded) })()
	done := make(chan answer, 1)
	go func() {
		value, err := request(ctx)
		done <- answer{value, err}
	}()
	select {
	case a := <-done:
		if a.err != nil && errors.Is(context.Cause(ctx), errSessionEnded) {
			a.err = errSessionEnded
		}
		return a.value, a.err
	case <-ctx.Done():
		return *new(T), context.Cause(ctx)
	}
}

// none is for requests that are only about their error.
type none = struct{}
