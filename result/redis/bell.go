package redis

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/result"
)

const (
	// glance is how often all waiters' results are looked up although no bell
	// rang, and those who wait for a place look themselves. It is also how long the bell's connection may be silent before it is
	// tested, and how long that may take.
	glance = 3 * time.Second
	// answer is how long Redis may take to answer one question.
	answer = 2 * time.Second
	// firstRetry and lastRetry bound the wait before connecting again.
	firstRetry = 20 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// bell is a channel that rings for waiters.
type bell struct {
	channel string
	waiters *result.Waiters
	// rang is told for which of those who wait it rang, or may have rung unheard.
	rang func(ctx context.Context, names []string)
}

// listen tells waiters what a bell rings for until ctx ends, and connects again as
// often as it must. It does not use the channel of go-redis, which never notices a
// connection that died silently and drops messages when nobody reads.
func (s *Store) listen(ctx context.Context, b bell) {
	wait := firstRetry
	for {
		stood, err := s.session(ctx, b)
		if ctx.Err() != nil {
			return
		}
		if stood {
			wait = firstRetry
		}
		s.log.WarnContext(ctx, "lost the connection to Redis for waiting, connecting again", "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait)):
		}
		wait = min(2*wait, lastRetry)
	}
}

// session listens on one connection until that breaks, and tells whether the
// subscription ever stood.
func (s *Store) session(ctx context.Context, b bell) (stood bool, err error) {
	connecting, cancel := context.WithTimeout(ctx, answer)
	pubsub := s.client.SSubscribe(connecting, b.channel)
	cancel()
	defer pubsub.Close()
	// Closing is the only thing that ends a read before its time.
	defer context.AfterFunc(ctx, func() { _ = pubsub.Close() })()
	tested, looked := false, time.Now()
	for {
		m, err := pubsub.ReceiveTimeout(ctx, glance)
		var silence net.Error
		switch {
		case err == nil:
			tested = false
		case errors.As(err, &silence) && silence.Timeout() && !tested:
			tested = true
			if err := pubsub.Ping(ctx); err != nil {
				return stood, err
			}
		default:
			return stood, err
		}
		switch m := m.(type) {
		case *redis.Subscription: // what rang before this was not heard
			stood, looked = true, time.Now()
			b.rang(ctx, b.waiters.Calls())
		case *redis.Message:
			b.rang(ctx, b.waiters.Among(strings.Split(m.Payload, between)))
		}
		if time.Since(looked) >= glance {
			looked = time.Now()
			b.rang(ctx, b.waiters.Calls())
		}
	}
}

// fetch looks up results and tells those who wait for them. If it fails they are
// looked up again with the next glance.
func (s *Store) fetch(ctx context.Context, calls []string) {
	if len(calls) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	known, err := s.Get(ctx, calls...)
	if err != nil {
		s.log.WarnContext(ctx, "fetching results for who waits failed, trying again soon", "err", err)
		return
	}
	s.waiters.Tell(known)
}
