package brokertest

import (
	"maps"
	"strings"
	"time"

	"github.com/elasticcode/flow/broker"
)

var delayChecks = []check{
	{"DelayHolds", delayHolds},
	{"DelayIsNotBlockedByALongerOne", delayOrder},
	{"DelayUnroutable", delayUnroutable},
	{"DelaysOfManyQueues", delayMany},
	{"DelayOutlivesItsQueue", delayOutlives},
	{"TTLExpires", ttlExpires},
	{"TTLExpiresAfterDelay", ttlAfterDelay},
}

// later checks that between the promised delay and what rounding and a busy
// machine may add to it has passed.
func (b *bench) later(begin time.Time, delay time.Duration) {
	b.Helper()
	took := time.Since(begin)
	if most := delay + max(delay/10, 50*time.Millisecond) + 3*time.Second; took < delay || took > most {
		b.Errorf("delivered after %s, want between %s and %s", took, delay, most)
	}
}

func delayHolds(b *bench) {
	b.queue("q")
	c := b.consume("q", 10)
	for _, delay := range []time.Duration{10 * time.Millisecond, 130 * time.Millisecond, 700 * time.Millisecond} {
		begin := time.Now()
		m := to("q", delay.String())
		m.Delay, m.Headers = delay, map[string]string{"k": "v"}
		b.publish(m, to("q", "now"))
		c.exactly("now")
		d := c.next()
		b.later(begin, delay)
		if d.ID != m.ID || d.Queue != "q" || d.Key != "q" || d.Exchange != "" || !maps.Equal(own(d.Headers), m.Headers) {
			b.Errorf("delayed message came as %s from %q, exchange %q, key %q, headers %v", d.ID, d.Queue, d.Exchange, d.Key, d.Headers)
		}
		b.must(d.Ack(b.ctx), "ack")
	}
}

func delayOrder(b *bench) {
	b.queue("q")
	c := b.consume("q", 10)
	slow, fast := to("q", "slow"), to("q", "fast")
	slow.Delay, fast.Delay = 5*time.Second, 50*time.Millisecond
	b.publish(slow)
	begin := time.Now()
	b.publish(fast)
	c.exactly("fast")
	b.later(begin, fast.Delay)
}

func delayUnroutable(b *bench) {
	b.queue("q")
	gone := to("nowhere", "1")
	gone.Delay = 50 * time.Millisecond
	b.failedAt(b.Broker.Publish(b.ctx, to("q", "0"), gone), broker.ErrUnroutable, 2, 1)
}

func delayMany(b *bench) {
	names := []string{"a.b", "a:c", "a/d"}
	for _, name := range names {
		b.queue(name)
	}
	for _, name := range names {
		m := to(name, "for "+name)
		m.Delay = 60 * time.Millisecond
		b.publish(m)
	}
	for _, name := range names {
		c := b.consume(name, 1)
		c.exactly("for " + name)
		c.quiet()
	}
}

// delayOutlives: what is delayed when its queue is removed is in the dead letters when it
// is due, and says why.
func delayOutlives(b *bench) {
	b.queue("q")
	m := to("q", "1")
	m.Delay = 500 * time.Millisecond
	b.publish(m)
	b.must(b.Broker.Remove(b.ctx, broker.Topology{Queues: []broker.Queue{{Name: "q"}}}), "remove the queue")
	d := b.consume(broker.DeadLetters, 1).next()
	if why := d.Headers[broker.HeaderDeadReason]; d.ID != "1" || !strings.HasPrefix(why, broker.ReasonGone) || d.Headers[broker.HeaderDeadQueue] != "q" {
		b.Errorf("dead letter is %s with headers %v", d.ID, d.Headers)
	}
	b.must(d.Ack(b.ctx), "ack")
}

func ttlExpires(b *bench) {
	b.limited("q", broker.Limits{MessageTTL: 150 * time.Millisecond})
	m := to("q", "1")
	m.Headers = map[string]string{"k": "v"}
	b.publish(m)
	b.expired("1", map[string]string{"k": "v"})
	b.empty("q")
}

func ttlAfterDelay(b *bench) {
	b.limited("q", broker.Limits{MessageTTL: 150 * time.Millisecond})
	m := to("q", "1")
	m.Delay = 60 * time.Millisecond
	b.publish(m)
	b.expired("1", nil)
}

// expired waits for the message among the dead letters.
func (b *bench) expired(id string, headers map[string]string) {
	b.Helper()
	d := b.consume(broker.DeadLetters, 1).next()
	want := map[string]string{broker.HeaderDeadReason: "expired", broker.HeaderDeadQueue: "q"}
	maps.Copy(want, headers)
	if d.ID != id || !maps.Equal(own(d.Headers), want) {
		b.Errorf("dead letter is %s with headers %v, want %s with %v", d.ID, d.Headers, id, want)
	}
	b.must(d.Ack(b.ctx), "ack")
}
