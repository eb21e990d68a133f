package brokertest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/broker/parcel"
)

// crowd is how many messages are published together: of so many, 32 share a parcel.
const crowd = 32 * 16

var parcelChecks = []check{
	{"ParcelsArriveAsMessages", parcelsArrive},
	{"ParcelsAreFewMessages", parcelsAreFew},
	{"ParcelReleaseGoesBackAlone", parcelRelease},
	{"ParcelReleaseOfAll", parcelReleaseAll},
	{"ParcelRetryAndDead", parcelRetryAndDead},
	{"ParcelExpires", parcelExpires},
	{"ParcelRefused", parcelRefused},
	{"ParcelConsumeEnds", parcelConsumeEnds},
	{"ParcelReopened", parcelReopened},
	{"ParcelComesAgainAfterACut", parcelCut},
	{"ParallelParcelsThroughReconnect", parcelsLossy},
	{"ParallelParcelReleaseThroughReconnect", parcelsLossyRelease},
}

// RunParcels checks the broker of package parcel over the driver that open opens,
// whose connection must be one that can be cut.
func RunParcels(t *testing.T, f Features, open func(t *testing.T) Opened) {
	t.Helper()
	if f.Redelivery == 0 {
		f.Redelivery = 15 * time.Second
	}
	packed := func(t *testing.T) Opened {
		o := open(t)
		again := o.Again
		o.Broker, o.Again = parcel.New(o.Broker), func(t *testing.T) broker.Broker { return parcel.New(again(t)) }
		return o
	}
	for _, c := range parcelChecks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(newBench(t, f, packed))
		})
	}
}

// together makes n messages that may share parcels.
func together(queue string, n int) []broker.Message {
	msgs := numbered(queue, n)
	for i := range msgs {
		msgs[i].Together = true
	}
	return msgs
}

func parcelsArrive(b *bench) {
	b.queue("q")
	b.queue("other")
	msgs := together("q", crowd)
	header := to("q", "with a header")
	header.Together, header.Headers = true, map[string]string{"k": "v"}
	b.publish(append(append(msgs, header), together("other", 2)...)...)
	c := b.consume("q", 64)
	for i := range crowd { // in their order
		d := c.next()
		if want := fmt.Sprintf("m-%d", i); d.ID != want || string(d.Body) != want || d.ContentType != msgs[i].ContentType || d.Queue != "q" || d.Redelivered {
			b.Fatalf("message %d came as %s %q %s from %s, redelivered %t", i, d.ID, d.Body, d.ContentType, d.Queue, d.Redelivered)
		}
		b.must(d.Ack(b.ctx), "ack")
		b.is(d.Ack(b.ctx), broker.ErrSettled, "ack again")
	}
	if d := c.next(); d.ID != header.ID || d.Headers["k"] != "v" {
		b.Fatalf("delivered %s with headers %v", d.ID, d.Headers)
	} else {
		b.must(d.Ack(b.ctx), "ack")
	}
	b.empty("q")
	b.consume("other", 1).exactly("m-0", "m-1")
}

func parcelsAreFew(b *bench) {
	b.queue("q")
	b.publish(together("q", crowd)...)
	b.depth("q", crowd/32)
	msgs, err := b.Broker.Peek(b.ctx, "q", 40)
	b.must(err, "peek")
	if len(msgs) != 40 || msgs[39].ID != "m-39" || string(msgs[39].Body) != "m-39" {
		b.Errorf("peeked %d messages", len(msgs))
	}
	b.queue("few")
	b.publish(together("few", 31)...)
	b.depth("few", 31) // there is not enough to share between consumers
	b.queue("large")
	large := together("large", crowd)
	for i := range large {
		large[i].Body = make([]byte, 40<<10)
	}
	b.publish(large[:64]...)
	b.depth("large", 64)
}

func parcelRelease(b *bench) {
	b.queue("q")
	b.publish(together("q", crowd)...)
	c := b.consume("q", 1)
	first, second := c.next(), c.next()
	b.must(first.Release(b.ctx), "release")
	b.is(first.Ack(b.ctx), broker.ErrSettled, "ack what was released")
	other := b.consume("q", 1)
	found := false
	for range crowd - 32 + 1 { // the other parcels, and the one that was released
		d := other.next()
		if d.ID == first.ID {
			found = d.Headers[broker.HeaderRepeat] == "1" && d.Companions == 0
		}
		b.must(d.Ack(b.ctx), "ack")
	}
	if !found {
		b.Errorf("%s did not come back alone and marked", first.ID)
	}
	b.must(second.Ack(b.ctx), "ack")
	c.acked(30)
	b.empty("q")
	other.quiet()
}

func parcelReleaseAll(b *bench) {
	b.queue("q")
	b.publish(together("q", 32)...)
	c := b.consume("q", 50)
	seen := map[string]int{}
	for range 64 {
		d := c.next()
		if seen[d.ID]++; seen[d.ID] == 1 {
			b.must(d.Release(b.ctx), "release")
		} else {
			b.must(d.Ack(b.ctx), "ack")
		}
	}
	b.empty("q")
	if len(seen) != 32 {
		b.Errorf("%d different messages", len(seen))
	}
}

func parcelRetryAndDead(b *bench) {
	b.queue("q")
	b.publish(together("q", crowd)...)
	c := b.consume("q", 1)
	retried, buried := c.next(), c.next()
	b.must(retried.Retry(b.ctx, 0, []byte("again"), nil), "retry")
	b.must(buried.Dead(b.ctx, "bad"), "dead")
	for range crowd - 2 + 1 {
		d := c.next()
		if d.ID == retried.ID && string(d.Body) != "again" {
			b.Errorf("retried message came as %q", d.Body)
		}
		b.must(d.Ack(b.ctx), "ack")
	}
	b.empty("q")
	d := b.consume(broker.DeadLetters, 1).next()
	if d.ID != buried.ID || string(d.Body) != buried.ID || d.Headers[broker.HeaderDeadReason] != "bad" {
		b.Errorf("dead letter is %s %q %v", d.ID, d.Body, d.Headers)
	}
	b.must(d.Ack(b.ctx), "ack")
}

func parcelExpires(b *bench) {
	b.limited("q", broker.Limits{MessageTTL: 200 * time.Millisecond})
	b.publish(together("q", crowd)...)
	dead := b.consume(broker.DeadLetters, 10)
	for range crowd {
		d := dead.next()
		if d.Headers[broker.HeaderDeadReason] != broker.ReasonExpired || d.Headers[broker.HeaderDeadQueue] != "q" || d.ContentType != "text/plain" {
			b.Fatalf("dead letter %s has %v and is %s", d.ID, d.Headers, d.ContentType)
		}
		b.must(d.Ack(b.ctx), "ack")
	}
}

func parcelRefused(b *bench) {
	b.queue("q")
	msgs := append(together("nowhere", crowd), together("q", crowd)...)
	err := b.Broker.Publish(b.ctx, msgs...)
	b.is(err, broker.ErrUnroutable, "publish to nowhere")
	pe, ok := errors.AsType[*broker.PublishError](err)
	if !ok || len(pe.Errs) != len(msgs) {
		b.Fatalf("got error %v, want one that tells of each of %d messages", err, len(msgs))
	}
	for i, e := range pe.Errs {
		if (e != nil) != (i < crowd) {
			b.Fatalf("message %d has error %v", i, e)
		}
	}
	b.consume("q", 5).acked(crowd)
}

func parcelConsumeEnds(b *bench) {
	b.queue("q")
	b.publish(together("q", crowd)...)
	c := b.consume("q", 2)
	first := c.next()
	c.stop()
	after := b.consume("q", 100)
	after.acked(crowd - 1) // what was not sent is given back
	after.quiet()
	b.must(first.Release(b.ctx), "release after Consume ended")
	after.exactly(first.ID)
	b.empty("q")
}

func parcelReopened(b *bench) {
	b.queue("q")
	b.publish(together("q", crowd)...)
	got := b.consumeOn(b.Again(b.T), "q", 3).acked(crowd)
	if len(got) != crowd {
		b.Errorf("%d messages", len(got))
	}
	b.empty("q")
}

func parcelCut(b *bench) {
	b.queue("q")
	b.publish(together("q", crowd)...)
	c := b.consume("q", crowd/32)
	var open []*broker.Delivery
	for range crowd {
		open = append(open, c.next())
	}
	for _, d := range open[:32] { // one is settled wholly, another in part
		b.must(d.Ack(b.ctx), "ack")
	}
	b.must(open[40].Ack(b.ctx), "ack")
	b.eventually("the ack of the first parcel", silence/5, func() (bool, string) {
		stats, err := b.Broker.Inspect(b.ctx, "q")
		return err == nil && stats[0].Messages+max(stats[0].Unacked, 0) <= crowd/32, fmt.Sprint(stats, err)
	})
	b.Cut()
	seen := map[string]bool{}
	for len(seen) < crowd-32 {
		d := c.within(b.features.Redelivery)
		if !d.Redelivered {
			b.Errorf("%s is not marked", d.ID)
		}
		seen[d.ID] = true
		_ = d.Ack(b.ctx)
	}
	for _, d := range open[64:] { // long gone
		if err := d.Ack(b.ctx); err == nil && d == open[95] {
			b.Errorf("the last of an old parcel was acked")
		}
	}
	b.empty("q")
}

func parcelsLossy(b *bench) { inParcels(b); lossy(b) }

func parcelsLossyRelease(b *bench) { inParcels(b); lossyRelease(b) }

// inParcels has the lossy run publish crowds.
func inParcels(b *bench) { b.crowds = true }
