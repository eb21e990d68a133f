package nats

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// glance is how often all waiters' results are looked up although no bell rang.
	glance = 3 * time.Second
	// retry is the wait after the bell could not be listened to.
	retry = 200 * time.Millisecond
)

// listen tells waiters of results until ctx ends. The connection subscribes
// again by itself when it is back.
func (s *Store) listen(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.session(ctx); ctx.Err() == nil {
			s.log.WarnContext(ctx, "listening to results on NATS failed, trying again", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

func (s *Store) session(ctx context.Context) error {
	bell, err := s.conn.Subscribe(s.bell, func(m *nats.Msg) {
		s.fetch(ctx, s.waiters.Among(strings.Split(string(m.Data), between)))
	})
	if err != nil {
		return err
	}
	defer func() { _ = bell.Unsubscribe() }()
	states := s.conn.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer s.conn.RemoveStatusListener(states)
	again := time.NewTimer(0) // what rang before the server knew of us was not heard
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		case state := <-states:
			if state != nats.CONNECTED {
				return nats.ErrConnectionClosed
			}
		}
		s.look(ctx)
		again.Reset(glance)
	}
}

// look looks up the results of all waiters, once the server is sure to ring.
func (s *Store) look(ctx context.Context) {
	flushing, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	if err := s.conn.FlushWithContext(flushing); err != nil {
		return // the connection is lost, and says when it is back
	}
	s.fetch(ctx, s.waiters.Calls())
}

// fetch looks up results and tells those who wait for them. If it fails they are
// looked up again with the next glance.
func (s *Store) fetch(ctx context.Context, calls []string) {
	if len(calls) == 0 || ctx.Err() != nil {
		return
	}
	known, err := s.Get(ctx, calls...)
	if err != nil {
		s.log.WarnContext(ctx, "fetching results for who waits failed, trying again soon", "err", err)
		return
	}
	s.waiters.Tell(known)
}
