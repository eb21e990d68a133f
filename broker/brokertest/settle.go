package brokertest

import (
	"maps"
	"time"

	"github.com/elasticcode/flow/broker"
)

var settleChecks = []check{
	{"SettleTwice", settleTwice},
	{"SettleAckRemoves", settleAck},
	{"SettleReleaseGivesBack", settleRelease},
	{"SettleRetryKeeps", settleRetryKeeps},
	{"SettleRetryChanges", settleRetryChanges},
	{"SettleRetryAgainAndAgain", settleRetryOften},
	{"SettleDead", settleDead},
	{"SettleDeadAndRedrive", settleRedrive},
}

func settleTwice(b *bench) {
	b.queue("q")
	b.publish(numbered("q", 4)...)
	c := b.consume("q", 10)
	first := []func(*broker.Delivery) error{
		func(d *broker.Delivery) error { return d.Ack(b.ctx) },
		func(d *broker.Delivery) error { return d.Retry(b.ctx, time.Hour, nil, nil) },
		func(d *broker.Delivery) error { return d.Dead(b.ctx, "why not") },
		func(d *broker.Delivery) error { return d.Release(b.ctx) },
	}
	for _, settle := range first {
		d := c.next()
		b.must(settle(d), "settle")
		for _, again := range first {
			b.is(again(d), broker.ErrSettled, "settle again")
		}
	}
	c.exactly("m-3") // only the released one comes back
	c.quiet()
	b.empty("q")
	b.depth(broker.DeadLetters, 1)
}

func settleAck(b *bench) {
	b.queue("q")
	b.publish(numbered("q", 100)...)
	c := b.consume("q", 30)
	c.acked(100)
	b.empty("q")
	c.stop()
	b.consume("q", 30).quiet()
}

func settleRelease(b *bench) {
	b.queue("q")
	b.publish(to("q", "1"))
	c := b.consume("q", 1)
	for range 5 {
		b.must(c.next().Release(b.ctx), "release")
	}
	if d := c.next(); !d.Redelivered || string(d.Body) != "1" {
		b.Errorf("released message came back as %q, redelivered %t", d.Body, d.Redelivered)
	} else {
		b.must(d.Ack(b.ctx), "ack")
	}
	b.empty("q")
}

func settleRetryKeeps(b *bench) {
	b.queue("q")
	m := to("q", "1")
	m.Headers = map[string]string{"k": "v"}
	b.publish(m)
	c := b.consume("q", 1)
	b.must(c.next().Retry(b.ctx, 0, nil, nil), "retry")
	d := c.next()
	if d.ID != "1" || string(d.Body) != "1" || d.ContentType != m.ContentType || !maps.Equal(own(d.Headers), m.Headers) || d.Queue != "q" {
		b.Errorf("retried message came back as %s %q %s %v", d.ID, d.Body, d.ContentType, d.Headers)
	}
	b.must(d.Ack(b.ctx), "ack")
	b.empty("q")
}

func settleRetryChanges(b *bench) {
	// The retry goes to the queue it came from, not to all that the exchange reaches.
	b.declare(broker.Topology{
		Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Fanout}},
		Queues:    []broker.Queue{{Name: "q", Bindings: []broker.Binding{{Exchange: "x"}}}, {Name: "other", Bindings: []broker.Binding{{Exchange: "x"}}}},
	})
	b.publish(broker.Message{ID: "1", Exchange: "x", Key: "k", Body: []byte("old"), Headers: map[string]string{"old": "1"}})
	c := b.consume("q", 1)
	const delay = 300 * time.Millisecond
	begin := time.Now()
	b.must(c.next().Retry(b.ctx, delay, []byte("new"), map[string]string{"attempt": "2"}), "retry")
	d := c.next()
	b.later(begin, delay)
	if d.ID != "1" || string(d.Body) != "new" || !maps.Equal(own(d.Headers), map[string]string{"attempt": "2"}) {
		b.Errorf("retried message came back as %s %q %v", d.ID, d.Body, d.Headers)
	}
	b.must(d.Ack(b.ctx), "ack")
	b.empty("q")
	b.depth("other", 1)
}

func settleRetryOften(b *bench) {
	b.queue("q")
	b.publish(to("q", "1"))
	c := b.consume("q", 1)
	for i := range 10 {
		d := c.next()
		if want := string(rune('0' + i)); i > 0 && string(d.Body) != want {
			b.Fatalf("round %d brought body %q", i, d.Body)
		}
		b.must(d.Retry(b.ctx, time.Duration(i%3)*20*time.Millisecond, []byte{byte('1' + i)}, nil), "retry")
	}
	b.must(c.next().Ack(b.ctx), "ack")
	b.empty("q")
}

func settleDead(b *bench) {
	b.queue("q")
	m := to("q", "1")
	m.Headers = map[string]string{"k": "v"}
	b.publish(m)
	c := b.consume("q", 1)
	b.must(c.next().Dead(b.ctx, "it is: bad\n"), "dead")
	b.empty("q")
	dead := b.consume(broker.DeadLetters, 1).next()
	want := map[string]string{"k": "v", broker.HeaderDeadReason: "it is: bad\n", broker.HeaderDeadQueue: "q"}
	if dead.ID != "1" || string(dead.Body) != "1" || !maps.Equal(own(dead.Headers), want) {
		b.Errorf("dead letter is %s %q %v, want headers %v", dead.ID, dead.Body, dead.Headers, want)
	}
	b.must(dead.Ack(b.ctx), "ack")
	b.empty(broker.DeadLetters)
}

func settleRedrive(b *bench) {
	b.queue("q")
	b.publish(to("q", "1"))
	c, dead := b.consume("q", 1), b.consume(broker.DeadLetters, 1)
	for range 3 {
		b.must(c.next().Dead(b.ctx, "bad"), "dead")
		d := dead.next()
		b.publish(broker.Message{ID: d.ID, Key: d.Headers[broker.HeaderDeadQueue], Body: d.Body})
		b.must(d.Ack(b.ctx), "ack the dead letter")
	}
	c.exactly("1")
	b.empty("q")
	b.empty(broker.DeadLetters)
}
