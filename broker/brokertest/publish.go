package brokertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/elasticcode/flow/broker"
)

var publishChecks = []check{
	{"PublishKeepsWhatItCarries", publishCarries},
	{"PublishBatchInOrder", publishBatch},
	{"PublishFromManyAtOnce", publishMany},
	{"PublishUnroutableInBatch", publishUnroutable},
	{"PublishRefusesNonsense", publishNonsense},
	{"PublishNothing", publishNothing},
	{"PublishTooLarge", publishTooLarge},
	{"PublishSameIDAgain", publishAgain},
	{"PublishAfterContextEnded", publishEnded},
}

func publishCarries(b *bench) {
	b.queue("q")
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	msgs := []broker.Message{
		{ID: "binary", Key: "q", ContentType: "application/octet-stream", Body: all, Headers: map[string]string{"a": "1", "Ünïcode": "välue\n", "empty": ""}},
		{ID: "empty", Key: "q"},
		{ID: "large", Key: "q", ContentType: "application/json", Body: bytes.Repeat([]byte("x"), 700<<10)},
	}
	b.publish(msgs...)
	c := b.consume("q", 1)
	for _, want := range msgs {
		d := c.next()
		if d.ID != want.ID || d.ContentType != want.ContentType || !bytes.Equal(d.Body, want.Body) {
			b.Errorf("message %s came as %s, %q, %d bytes", want.ID, d.ID, d.ContentType, len(d.Body))
		}
		if got := own(d.Headers); !maps.Equal(got, want.Headers) {
			b.Errorf("headers of %s came as %v, want %v", want.ID, got, want.Headers)
		}
		if d.Queue != "q" || d.Key != "q" || d.Exchange != "" || d.Redelivered {
			b.Errorf("delivery of %s says queue %q, exchange %q, key %q, redelivered %t", want.ID, d.Queue, d.Exchange, d.Key, d.Redelivered)
		}
		b.must(d.Ack(b.ctx), "ack")
	}
}

// own leaves out the headers that the contract adds.
func own(h map[string]string) map[string]string {
	h = maps.Clone(h)
	delete(h, broker.HeaderRepeat)
	return h
}

func publishBatch(b *bench) {
	b.queue("q")
	msgs := numbered("q", 1000)
	b.publish(msgs...)
	b.depth("q", 1000)
	got := b.consume("q", 50).acked(1000)
	for i, id := range got {
		if id != msgs[i].ID {
			b.Fatalf("delivery %d is %s, want %s", i, id, msgs[i].ID)
		}
	}
	b.empty("q")
}

func publishMany(b *bench) {
	b.queue("q")
	const publishers, each = 40, 25
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				if err := b.Broker.Publish(b.ctx, to("q", fmt.Sprintf("%d-%d", p, i))); err != nil {
					b.Errorf("publish: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.depth("q", publishers*each)
	ids := b.consume("q", 100).acked(publishers * each)
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != publishers*each {
		b.Errorf("%d different messages arrived, want %d", n, publishers*each)
	}
}

func publishUnroutable(b *bench) {
	b.queue("q")
	b.declare(broker.Topology{Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Direct}}})
	err := b.Broker.Publish(b.ctx, to("q", "0"), to("nowhere", "1"), to("q", "2"),
		broker.Message{ID: "3", Exchange: "x", Key: "nobody"}, to("q", "4"), broker.Message{ID: "5", Exchange: "no-exchange", Key: "q"}, to("q", "6"))
	b.failedAt(err, broker.ErrUnroutable, 7, 1, 3, 5)
	b.depth("q", 4)
	b.consume("q", 10).exactly("0", "2", "4", "6")

	// Every single one matters: a returned message is never taken for confirmed.
	for range 50 {
		b.is(b.Broker.Publish(b.ctx, to("nowhere", "x")), broker.ErrUnroutable, "publish to nowhere")
	}
}

// failedAt checks that exactly these messages of n failed, and how.
func (b *bench) failedAt(err, want error, n int, at ...int) {
	b.Helper()
	pe := (*broker.PublishError)(nil)
	if !errors.As(err, &pe) || len(pe.Errs) != n {
		b.Fatalf("got error %v, want a *PublishError for %d messages", err, n)
	}
	for i, e := range pe.Errs {
		if slices.Contains(at, i) {
			b.is(e, want, fmt.Sprintf("message %d", i))
		} else if e != nil {
			b.Errorf("message %d: unexpected error %v", i, e)
		}
	}
}

func publishNonsense(b *bench) {
	b.queue("q")
	for what, m := range map[string]broker.Message{
		"a message without an id":         {Key: "q"},
		"a delay on a named exchange":     {ID: "1", Exchange: "x", Key: "q", Delay: 1},
		"a negative delay":                {ID: "1", Key: "q", Delay: -1},
		"a message without a destination": {ID: "1"},
	} {
		if err := b.Broker.Publish(b.ctx, m); err == nil {
			b.Errorf("%s was accepted", what)
		}
	}
	b.failedAtSome(b.Broker.Publish(b.ctx, to("q", "fine"), broker.Message{Key: "q"}), 1)
	b.consume("q", 1).exactly("fine")
}

func (b *bench) failedAtSome(err error, at int) {
	b.Helper()
	pe := (*broker.PublishError)(nil)
	if !errors.As(err, &pe) || pe.Errs[at] == nil {
		b.Fatalf("got error %v, want a *PublishError about message %d", err, at)
	}
}

func publishNothing(b *bench) { b.publish() }

func publishTooLarge(b *bench) {
	if b.features.MaxMessageBytes == 0 {
		b.Skip("SKIPPED: the driver names no limit")
	}
	b.queue("q")
	big := to("q", "big")
	big.Body = make([]byte, b.features.MaxMessageBytes+1)
	b.failedAt(b.Broker.Publish(b.ctx, to("q", "1"), big, to("q", "2")), broker.ErrTooLarge, 3, 1)
	b.consume("q", 2).exactly("1", "2")
}

// A call that is redriven from the dead letters has the id it always had:
// whatever a driver does about repeats must not swallow it.
func publishAgain(b *bench) {
	b.queue("q")
	c := b.consume("q", 1)
	for range 3 {
		b.publish(to("q", "same"))
		c.exactly("same")
	}
}

func publishEnded(b *bench) {
	b.queue("q")
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	b.is(b.Broker.Publish(ctx, to("q", "1")), context.Canceled, "publish with an ended context")
}
