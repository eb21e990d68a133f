package amqp

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 15 * time.Second
	// backoffCalm is how long something must have worked for the waits to begin anew.
	backoffCalm = time.Second
)

// backoff counts failures in a row. The zero value is ready.
type backoff struct{ failures int }

// next returns how long to wait: full jitter, so that the clients of a restarted
// broker do not come back all at once.
func (b *backoff) next() time.Duration {
	most := backoffMost
	if b.failures < 8 {
		most = min(most, backoffFirst<<b.failures)
	}
	b.failures++
	return most/10 + rand.N(most-most/10)
}

// ran tells that what is tried again had worked for so long.
func (b *backoff) ran(d time.Duration) {
	if d > backoffCalm {
		b.failures = 0
	}
}

// wait sleeps for the next duration, or until ctx ends.
func (b *backoff) wait(ctx context.Context) {
	t := time.NewTimer(b.next())
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
