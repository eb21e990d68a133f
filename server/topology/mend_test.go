package topology

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/socket"
)

// TestMissingQueuesAreDeclared: what somebody deleted on the broker is back as
// soon as the server meets it, and not with the next minute.
func TestMissingQueuesAreDeclared(t *testing.T) {
	t.Parallel()
	e := endpoint("p", "q", "one")
	b := setup(t, e)
	ctx, stop := context.WithCancel(b.ctx)
	var running errgroup.Group
	running.Go(func() error { return b.RunMissed(ctx) })
	t.Cleanup(func() {
		stop()
		_ = running.Wait()
	})
	seen, own := b.Watch(), socket.OwnQueue(e.Socket)
	for _, queue := range []string{own, socket.Records} {
		b.check(b.broker.Remove(b.ctx, broker.Topology{Queues: []broker.Queue{{Name: queue}}}))
	}
	meet := func() error { return seen.Publish(b.ctx, broker.Message{ID: "1", Key: own}) }
	if err := meet(); !errors.Is(err, broker.ErrUnroutable) {
		t.Fatalf("publishing to a queue that is gone: %v", err)
	}
	b.eventually("the socket's queue is there again", func() bool { return meet() == nil })
	b.eventually("the engine's queue is there again", func() bool { return b.exists(socket.Records) })
}

func (b *bench) eventually(what string, ok func() bool) {
	b.t.Helper()
	tick, end := time.NewTicker(20*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for !ok() {
		select {
		case <-end:
			b.t.Fatalf("it never is so that %s", what)
		case <-tick.C:
		}
	}
}

// TestMissingConsumerQueue: a consumer notices, too.
func TestMissingConsumerQueue(t *testing.T) {
	t.Parallel()
	b := setup(t, endpoint("p", "q", "one"))
	b.check(b.broker.Remove(b.ctx, broker.Topology{Queues: []broker.Queue{{Name: socket.Records}}}))
	err := b.Watch().Consume(testenv.Context(t, time.Minute), socket.Records, 1, make(chan *broker.Delivery))
	if !errors.Is(err, broker.ErrNotFound) {
		t.Fatalf("consuming a queue that is gone: %v", err)
	}
	if len(b.missing) != 1 {
		t.Error("nobody noticed")
	}
}

// TestNowhereIsNotMissing: to ask whether the broker takes messages does not have
// everything declared again.
func TestNowhereIsNotMissing(t *testing.T) {
	t.Parallel()
	b := setup(t, endpoint("p", "q", "one"))
	err := b.Watch().Publish(b.ctx, broker.Message{ID: "1", Key: socket.Nowhere})
	if !errors.Is(err, broker.ErrUnroutable) {
		t.Fatalf("publishing to nowhere: %v", err)
	}
	if len(b.missing) != 0 {
		t.Error("nowhere counts as missing")
	}
}
