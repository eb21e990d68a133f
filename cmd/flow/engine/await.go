package engine

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/stack"
	"github.com/elasticcode/flow/store"
)

// Await opens the broker and the backend as Open does, and waits for one that
// cannot be reached now until ctx ends: a server or an agent that starts in the
// middle of an outage begins its work by itself when the outage is over. A URL
// that is wrong, or a user who is refused, is an error at once.
func (s *Services) Await(ctx context.Context, name string, log *slog.Logger) (*stack.Stack, error) {
	return await(ctx, log, "the broker and the backend", func() (*stack.Stack, error) { return s.Open(ctx, name, log) })
}

// AwaitStore opens a database whose schema fits this program. It waits as
// Await does.
func AwaitStore(ctx context.Context, url string, log *slog.Logger) (*store.Store, error) {
	return await(ctx, log, "the database", func() (*store.Store, error) {
		db, err := OpenStore(ctx, url)
		if err != nil {
			return nil, err
		}
		if err := db.Check(ctx); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return db, nil
	})
}

// The pauses between tries of Await grow from the first to the last.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = 5 * time.Second
)

// await tries to open something until it is no longer just unreachable. It says
// what it waits for each time it has tried.
func await[T any](ctx context.Context, log *slog.Logger, what string, open func() (T, error)) (T, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		opened, err := open()
		if !comes(err) {
			return opened, err
		}
		if ctx.Err() != nil {
			return opened, context.Cause(ctx)
		}
		log.WarnContext(ctx, "waiting for "+what, "err", err, "in", pause)
		select {
		case <-ctx.Done():
			return opened, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// comes tells whether an error may go away by itself: the service cannot be
// reached, and has not refused us.
func comes(err error) bool {
	away := errors.Is(err, broker.ErrUnavailable) || errors.Is(err, result.ErrUnavailable) || errors.Is(err, store.ErrUnavailable)
	refused := errors.Is(err, broker.ErrRefused) || errors.Is(err, result.ErrRefused) || errors.Is(err, store.ErrRefused)
	return away && !refused || errors.Is(err, context.DeadlineExceeded)
}

// Unless is err, and nil when waiting ended because the process was told to stop.
func Unless(stopping context.Context, err error) error {
	if stopping.Err() != nil && errors.Is(err, context.Cause(stopping)) {
		return nil
	}
	return err
}
