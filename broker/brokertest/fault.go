package brokertest

import (
	"context"
	"errors"
	"time"

	"github.com/elasticcode/flow/broker"
)

var faultChecks = []check{
	{"FaultLateAckSettlesNothingElse", faultLateAck},
	{"FaultOutage", faultOutage},
	{"FaultStall", faultStall},
	{"FaultConsumeBeganDuringOutage", faultConsumeDuringOutage},
	{"FaultEndDuringOutage", faultEndDuringOutage},
	{"ParallelLossyThroughReconnect", lossy},
	{"ParallelReleaseThroughReconnect", lossyRelease},
}

// A delivery from before the cut must not settle what was delivered after it,
// though a broker may number both alike.
func faultLateAck(b *bench) {
	b.queue("q")
	c := b.consume("q", 1)
	b.publish(to("q", "1"))
	old := c.next()
	b.publish(to("q", "2"))
	b.Cut()
	fresh := c.within(b.features.Redelivery)
	b.is(old.Ack(b.ctx), broker.ErrSessionGone, "ack a delivery from before the cut")
	b.is(old.Ack(b.ctx), broker.ErrSettled, "ack it again")
	b.Cut()
	again := c.within(b.features.Redelivery)
	b.is(fresh.Release(b.ctx), broker.ErrSessionGone, "release a delivery from before the second cut")
	seen := map[string]bool{again.ID: true}
	b.must(again.Ack(b.ctx), "ack")
	last := c.within(b.features.Redelivery)
	seen[last.ID] = true
	b.must(last.Ack(b.ctx), "ack")
	if !seen["1"] || !seen["2"] {
		b.Errorf("only %v survived: the late ack settled a message it was not for", seen)
	}
	b.empty("q")
}

// promptly checks that fn returns with the deadline of its context, and what.
func (b *bench) promptly(doing string, fn func(ctx context.Context) error) {
	b.Helper()
	const limit = 400 * time.Millisecond
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	begin := time.Now()
	err := fn(ctx)
	if took := time.Since(begin); took > limit+time.Second {
		b.Errorf("%s returned after %s, its deadline was %s", doing, took, limit)
	}
	b.is(err, broker.ErrUnavailable, doing)
}

func (b *bench) askEverything() {
	b.Helper()
	b.promptly("publish", func(ctx context.Context) error { return b.Broker.Publish(ctx, to("q", "lost?")) })
	b.promptly("inspect", func(ctx context.Context) error { _, err := b.Broker.Inspect(ctx, "q"); return err })
	b.promptly("peek", func(ctx context.Context) error { _, err := b.Broker.Peek(ctx, "q", 1); return err })
	b.promptly("declare", func(ctx context.Context) error {
		return b.Broker.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "q"}}})
	})
}

// hears checks that the consumer receives what is published now. What a publish
// that failed in doubt has left behind may come first.
func (c *consumer) hears(id string) {
	c.Helper()
	c.eventually("publishing again", 50*time.Millisecond, func() (bool, string) {
		ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
		defer cancel()
		err := c.Broker.Publish(ctx, to("q", id))
		if err != nil {
			return false, err.Error()
		}
		return true, ""
	})
	for {
		d := c.within(c.features.Redelivery)
		if err := d.Ack(c.ctx); err == nil && d.ID == id {
			return
		}
	}
}

func faultOutage(b *bench) {
	b.queue("q")
	c := b.consume("q", 5)
	b.publish(to("q", "before"))
	c.exactly("before")
	b.Refuse(true)
	b.Cut()
	b.askEverything()
	c.quiet()
	b.Refuse(false)
	c.hears("after")
}

func faultStall(b *bench) {
	b.queue("q")
	c := b.consume("q", 5)
	b.publish(to("q", "before"))
	c.exactly("before")
	b.Stall(true)
	b.askEverything()
	b.Stall(false)
	c.hears("after")
}

func faultConsumeDuringOutage(b *bench) {
	b.queue("q")
	b.Refuse(true)
	b.Cut()
	c := b.consume("q", 5)
	c.quiet()
	b.Refuse(false)
	c.hears("after")
}

// Stopping must not wait for a broker that is away.
func faultEndDuringOutage(b *bench) {
	b.queue("q")
	c := b.consume("q", 5)
	b.publish(to("q", "1"))
	d := c.next()
	b.Refuse(true)
	b.Cut()
	c.stop()
	b.askEverything() // so that the driver has met the outage before it is asked to settle
	b.Refuse(false)
	if err := d.Ack(b.ctx); !errors.Is(err, broker.ErrSessionGone) {
		b.Errorf("ack after the session ended: got %v, want %v", err, broker.ErrSessionGone)
	}
	b.consume("q", 1).exactly("1")
}
