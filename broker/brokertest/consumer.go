package brokertest

import (
	"context"
	"slices"
	"time"

	"github.com/elasticcode/flow/broker"
)

// consumer is one running Consume.
type consumer struct {
	*bench
	out    chan *broker.Delivery
	cancel context.CancelFunc
	done   chan error
}

// consume starts to consume; it ends with the test, or with stop.
func (b *bench) consume(queue string, prefetch int) *consumer {
	b.Helper()
	return b.consumeOn(b.Broker, queue, prefetch)
}

func (b *bench) consumeOn(on broker.Broker, queue string, prefetch int) *consumer {
	b.Helper()
	return b.consumeInto(on, queue, prefetch, make(chan *broker.Delivery))
}

func (b *bench) consumeInto(on broker.Broker, queue string, prefetch int, out chan *broker.Delivery) *consumer {
	b.Helper()
	ctx, cancel := context.WithCancel(b.ctx)
	c := &consumer{bench: b, out: out, cancel: cancel, done: make(chan error, 1)}
	go func() { c.done <- on.Consume(ctx, queue, prefetch, c.out); close(c.done) }()
	b.Cleanup(func() {
		cancel()
		<-c.done
	})
	return c
}

// stop ends the consumer, which must return nil.
func (c *consumer) stop() {
	c.Helper()
	c.cancel()
	c.must(c.ended(), "consume, after its context ended,")
}

// ended waits for Consume to return.
func (c *consumer) ended() error {
	c.Helper()
	select {
	case err := <-c.done:
		return err
	case <-time.After(patience):
		c.Fatalf("Consume did not return within %s", patience)
		return nil
	}
}

func (c *consumer) next() *broker.Delivery {
	c.Helper()
	return c.within(patience)
}

func (c *consumer) within(wait time.Duration) *broker.Delivery {
	c.Helper()
	select {
	case d := <-c.out:
		return d
	case err := <-c.done:
		c.Fatalf("Consume returned %v while a delivery was expected", err)
	case <-time.After(wait):
		c.Fatalf("no delivery within %s", wait)
	}
	return nil
}

// quiet fails when something is delivered for a while.
func (c *consumer) quiet() {
	c.Helper()
	select {
	case d := <-c.out:
		c.Fatalf("unexpected delivery of %s", d.ID)
	case err := <-c.done:
		c.Fatalf("Consume returned %v while it should go on", err)
	case <-time.After(silence):
	}
}

// acked takes n deliveries, acks them and returns their ids in order.
func (c *consumer) acked(n int) []string {
	c.Helper()
	ids := make([]string, 0, n)
	for range n {
		d := c.next()
		c.must(d.Ack(c.ctx), "ack "+d.ID)
		ids = append(ids, d.ID)
	}
	return ids
}

// exactly takes and acks deliveries, which must have these ids in any order.
func (c *consumer) exactly(want ...string) {
	c.Helper()
	got := c.acked(len(want))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.Fatalf("delivered %v, want %v", got, want)
	}
}
