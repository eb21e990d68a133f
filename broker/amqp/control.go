package amqp

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

// rpcWait is how long the broker may take to answer one request before its
// connection counts as dead.
const rpcWait = 10 * time.Second

// call runs fn, which talks to the broker and cannot be interrupted. It returns
// when fn does or when ctx ends; then fn goes on alone, undo is called if it
// succeeds after all, and a watchdog closes the connection if it does not end.
func call[T any](ctx context.Context, s *session, run func(func()), fn func() (T, error), undo func(T)) (T, error) {
	type answer struct {
		val T
		err error
	}
	answers := make(chan answer, 1)
	var given atomic.Bool // the answer is taken, or nobody waits for it any more
	run(func() {
		dog := time.AfterFunc(rpcWait, s.net.abort)
		val, err := fn()
		dog.Stop()
		if given.CompareAndSwap(false, true) {
			answers <- answer{val, err}
		} else if err == nil {
			undo(val)
		}
	})
	select {
	case a := <-answers:
		return a.val, a.err
	case <-ctx.Done():
		if given.CompareAndSwap(false, true) {
			var none T
			return none, unavailable(ctx, nil)
		}
		a := <-answers
		return a.val, a.err
	}
}

// control runs fn on a throw-away channel of the consuming connection: the
// broker closes a channel at the first mistake, and a connection that publishes
// may be blocked. ctx is bounded by the driver's own deadline.
func control[T any](ctx context.Context, b *Broker, fn func(*amqp091.Channel) (T, error)) (T, error) {
	var none T
	ctx, cancel := context.WithTimeout(ctx, b.cfg.PublishTimeout)
	defer cancel()
	s, err := b.consuming.session(ctx)
	if err != nil {
		return none, err
	}
	return call(ctx, s, b.run, func() (T, error) {
		ch, err := s.conn.Channel()
		if err != nil {
			return none, unavailable(ctx, err)
		}
		defer ch.Close()
		return fn(ch)
	}, func(T) {})
}
