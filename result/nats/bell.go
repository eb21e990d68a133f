package nats

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/elasticcode/flow/result"
)

const (
	// glance is how often all waiters' results are looked up although no bell rang.
	glance = 3 * time.Second
	// retry is the wait after the bell could not be listened to.
	retry = 200 * time.Millisecond
)

// bell is a subject that rings for waiters.
type bell struct {
	subject string
	waiters *result.Waiters
	// rang is told for which of those who wait it rang, or may have rung unheard.
	rang func(ctx context.Context, names []string)
}

// listen tells waiters what a bell rings for until ctx ends. The connection subscribes
// again by itself when it is back.
func (s *Store) listen(ctx context.Context, b bell) {
	for ctx.Err() == nil {
		if err := s.session(ctx, b); ctx.Err() == nil {
			s.log.WarnContext(ctx, "listening on NATS failed, trying again", "subject", b.subject, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

func (s *Store) session(ctx context.Context, b bell) error {
	sub, err := s.conn.Subscribe(b.subject, func(m *nats.Msg) {
		b.rang(ctx, b.waiters.Among(strings.Split(string(m.Data), between)))
	})
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
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
		s.look(ctx, b)
		again.Reset(glance)
	}
}

// look lets all waiters be looked at, once the server is sure to ring.
func (s *Store) look(ctx context.Context, b bell) {
	flushing, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	if err := s.conn.FlushWithContext(flushing); err != nil {
		return // the connection is lost, and says when it is back
	}
	b.rang(ctx, b.waiters.Calls())
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
