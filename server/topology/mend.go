package topology

import (
	"context"
	"errors"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/socket"
)

const (
	// repairEvery is how often everything is declared again, in case a broker lost
	// it (a wiped host, a queue deleted by hand) and nobody here noticed.
	repairEvery = time.Minute
	// soon is how long after a repair the next one is at the earliest.
	soon = 2 * time.Second
)

// Run keeps the broker as the model wants it until ctx ends.
func (t *Topology) Run(ctx context.Context) error { return t.mend(ctx, 0, repairEvery) }

// RunMissed declares everything again until ctx ends, but only after something was
// found missing: for servers that leave the rest to others.
func (t *Topology) RunMissed(ctx context.Context) error { return t.mend(ctx, never, never) }

const never = time.Duration(1<<63 - 1)

// mend declares everything after wait, every so often after that, and when
// something is missing.
func (t *Topology) mend(ctx context.Context, wait, every time.Duration) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		case <-t.missing:
			t.log.Warn("a queue is missing on the broker: all are declared again")
		}
		begun := time.Now()
		wait = every
		if err := t.ApplyAll(ctx); err != nil && ctx.Err() == nil {
			t.log.Warn("queues cannot be declared now, trying again", "err", err)
			wait = soon
		}
		select { // declaring thousands takes long: it is not all that a server does
		case <-ctx.Done():
		case <-time.After(max(soon, time.Since(begun))):
		}
	}
}

// Watch returns the broker for use by the server: what it finds missing there is
// declared again at once.
func (t *Topology) Watch() broker.Broker { return watched{t.broker, t} }

type watched struct {
	broker.Broker
	topology *Topology
}

// Publish publishes.
func (w watched) Publish(ctx context.Context, msgs ...broker.Message) error {
	err := w.Broker.Publish(ctx, msgs...)
	if some, ok := errors.AsType[*broker.PublishError](err); ok {
		for i, e := range some.Errs {
			if misses(msgs[i], e) {
				w.topology.miss()
				break
			}
		}
	}
	return err
}

// misses tells whether a message could not be sent because something is gone: an exchange
// may reach nobody, but a queue that is named has to be there.
func misses(m broker.Message, err error) bool {
	toQueue := m.Exchange == "" && m.Key != socket.Nowhere
	return errors.Is(err, broker.ErrNotFound) || toQueue && errors.Is(err, broker.ErrUnroutable)
}

// Consume consumes.
func (w watched) Consume(ctx context.Context, queue string, prefetch int, out chan<- *broker.Delivery) error {
	err := w.Broker.Consume(ctx, queue, prefetch, out)
	if errors.Is(err, broker.ErrNotFound) {
		w.topology.miss()
	}
	return err
}

// miss notes that something is missing.
func (t *Topology) miss() {
	select {
	case t.missing <- struct{}{}:
	default: // it is known
	}
}
