package redis

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// quiet is after how much silence the bell's connection is tested, and again
	// how long the test may take: a connection can be dead without an error.
	quiet = 5 * time.Second
	// firstRetry and lastRetry bound the wait before connecting again.
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// bell tells one subscription that the stream grew. It does not use the channel
// of go-redis, which never notices a connection that died silently and drops
// messages when nobody reads.
type bell struct {
	rings chan struct{} // a place for one: many rings are one reason to look
	open  chan struct{} // a place for one: the subscription stands, for the first time or again
}

func newBell() *bell {
	return &bell{rings: make(chan struct{}, 1), open: make(chan struct{}, 1)}
}

// listen rings until ctx ends, and connects again as often as it must.
func (b *Bus) listen(ctx context.Context, to track, l *bell) {
	wait := firstRetry
	for {
		stood, err := b.session(ctx, to, l)
		if ctx.Err() != nil {
			return
		}
		if stood {
			wait = firstRetry
		}
		b.log.WarnContext(ctx, "lost the connection to Redis for events, connecting again", "err", err)
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
func (b *Bus) session(ctx context.Context, to track, l *bell) (stood bool, err error) {
	connecting, cancel := context.WithTimeout(ctx, answer)
	pubsub := b.client.SSubscribe(connecting, to.bell)
	cancel()
	defer pubsub.Close()
	// Closing is the only thing that ends a read before its time.
	defer context.AfterFunc(ctx, func() { _ = pubsub.Close() })()
	tested := false
	for {
		m, err := pubsub.ReceiveTimeout(ctx, quiet)
		var silence net.Error
		switch {
		case err == nil:
			tested = false
		case errors.As(err, &silence) && silence.Timeout() && !tested:
			tested = true
			if err = pubsub.Ping(ctx); err != nil {
				return stood, err
			}
		default:
			return stood, err
		}
		switch m.(type) {
		case *redis.Subscription:
			stood = true
			ring(l.open)
		case *redis.Message:
			ring(l.rings)
		}
	}
}

func ring(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
