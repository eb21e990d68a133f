package brokertest

import (
	"errors"

	"github.com/elasticcode/flow/broker"
)

var limitChecks = []check{
	{"LimitMessages", limitMessages},
	{"LimitMessagesInBatch", limitBatch},
	{"LimitBytes", limitBytes},
}

func limitMessages(b *bench) {
	b.limited("q", broker.Limits{MaxMessages: 5})
	b.fill("q", 5, 10)
	c := b.consume("q", 100)
	c.next()
	for range 4 {
		b.must(c.next().Ack(b.ctx), "ack")
	}
	b.eventually("room in the queue", silence/5, func() (bool, string) {
		err := b.Broker.Publish(b.ctx, to("q", "fits"))
		return err == nil, "publishing still fails"
	})
}

// fill publishes one by one until the queue is full, which must be near limit.
func (b *bench) fill(queue string, limit, size int) {
	b.Helper()
	for n := range limit + b.features.LimitSlack + 1 {
		m := to(queue, "m")
		m.Body = make([]byte, size)
		if err := b.Broker.Publish(b.ctx, m); err != nil {
			b.is(err, broker.ErrFull, "publish to a full queue")
			if n < limit {
				b.Fatalf("full after %d messages, want %d", n, limit)
			}
			return
		}
	}
	b.Fatalf("queue took %d messages, its limit is %d", limit+b.features.LimitSlack+1, limit)
}

func limitBatch(b *bench) {
	const limit = 20
	b.limited("q", broker.Limits{MaxMessages: limit})
	b.queue("other")
	msgs := numbered("q", limit+b.features.LimitSlack+200)
	msgs = append(msgs, to("other", "fits"))
	err := b.Broker.Publish(b.ctx, msgs...)
	b.is(err, broker.ErrFull, "publish more than fits")
	pe := (*broker.PublishError)(nil)
	if !errors.As(err, &pe) || len(pe.Errs) != len(msgs) {
		b.Fatalf("got error %v, want a *PublishError for %d messages", err, len(msgs))
	}
	kept := int64(0)
	for i, e := range pe.Errs {
		if e == nil {
			kept++
		} else {
			b.is(e, broker.ErrFull, msgs[i].ID)
		}
	}
	if pe.Errs[len(msgs)-1] != nil {
		b.Errorf("the message for another queue failed: %v", pe.Errs[len(msgs)-1])
	}
	b.depth("other", 1)
	b.depth("q", kept-1) // what was confirmed is there, and nothing else
}

func limitBytes(b *bench) {
	b.limited("q", broker.Limits{MaxBytes: 50_000})
	b.fillBytes("q", 50_000, 10_000)
}

// fillBytes allows a driver to count the bytes of headers and of its own.
func (b *bench) fillBytes(queue string, limit, size int) {
	b.Helper()
	for n := range limit/size + b.features.LimitSlack + 1 {
		m := to(queue, "m")
		m.Body = make([]byte, size)
		if err := b.Broker.Publish(b.ctx, m); err != nil {
			b.is(err, broker.ErrFull, "publish to a full queue")
			if n < limit/size-1 {
				b.Fatalf("full after %d messages of %d bytes, the limit is %d bytes", n, size, limit)
			}
			return
		}
	}
	b.Fatalf("queue took %d messages of %d bytes, its limit is %d bytes", limit/size+b.features.LimitSlack+1, size, limit)
}
