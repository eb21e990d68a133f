package brokertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
)

const (
	patience = 15 * time.Second       // for what must happen
	silence  = 250 * time.Millisecond // for what must not happen
)

// bench is what one test works on.
type bench struct {
	*testing.T
	Opened
	features Features
	ctx      context.Context
	crowds   bool // lossy runs publish many messages together, in parcels
}

func newBench(t *testing.T, f Features, open func(t *testing.T) Opened) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	t.Cleanup(cancel)
	b := &bench{T: t, Opened: open(t), features: f, ctx: ctx}
	b.removeLater(broker.Topology{Queues: []broker.Queue{{Name: broker.DeadLetters}}})
	return b
}

func (b *bench) must(err error, doing string) {
	b.Helper()
	if err != nil {
		b.Fatalf("%s: %v", doing, err)
	}
}

// is fails the test unless err is of the wanted kind.
func (b *bench) is(err, want error, doing string) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Fatalf("%s: got error %v, want one that is %q", doing, err, want)
	}
}

func (b *bench) removeLater(t broker.Topology) {
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.Broker.Remove(ctx, t); err != nil {
			b.Errorf("cleaning up: %v", err)
		}
	})
}

func (b *bench) declare(t broker.Topology) {
	b.Helper()
	b.removeLater(t)
	b.must(b.Broker.Declare(b.ctx, t), "declare")
}

// queue declares one queue without limits or bindings.
func (b *bench) queue(name string) {
	b.Helper()
	b.limited(name, broker.Limits{})
}

func (b *bench) limited(name string, l broker.Limits) {
	b.Helper()
	b.declare(broker.Topology{Queues: []broker.Queue{{Name: name, Limits: l}}})
}

func (b *bench) publish(msgs ...broker.Message) {
	b.Helper()
	b.must(b.Broker.Publish(b.ctx, msgs...), "publish")
}

// to makes a message for a queue; its body is its id.
func to(queue, id string) broker.Message {
	return broker.Message{ID: id, Key: queue, ContentType: "text/plain", Body: []byte(id)}
}

// numbered makes n messages for a queue, named m-0 and so on.
func numbered(queue string, n int) []broker.Message {
	msgs := make([]broker.Message, n)
	for i := range msgs {
		msgs[i] = to(queue, fmt.Sprintf("m-%d", i))
	}
	return msgs
}

// depth waits until so many messages are ready in the queue.
func (b *bench) depth(queue string, want int64) {
	b.Helper()
	b.stats(queue, fmt.Sprintf("%d messages ready", want), func(s broker.Stats) bool { return s.Messages == want })
}

// empty waits until nothing is ready and, where it is known, nothing unsettled.
func (b *bench) empty(queue string) {
	b.Helper()
	b.stats(queue, "an empty queue", func(s broker.Stats) bool { return s.Messages == 0 && s.Unacked <= 0 })
}

func (b *bench) stats(queue, what string, ok func(broker.Stats) bool) {
	b.Helper()
	var last []broker.Stats
	b.eventually(what+" in "+queue, 50*time.Millisecond, func() (bool, string) {
		var err error
		last, err = b.Broker.Inspect(b.ctx, queue)
		if err != nil || len(last) != 1 {
			return false, fmt.Sprintf("inspect gave %v and error %v", last, err)
		}
		return ok(last[0]), fmt.Sprintf("%+v", last[0])
	})
}

// eventually asks again and again until ok or out of patience.
func (b *bench) eventually(what string, every time.Duration, ok func() (bool, string)) {
	b.Helper()
	tick := time.NewTicker(every)
	defer tick.Stop()
	end := time.After(patience)
	for {
		good, now := ok()
		if good {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			b.Fatalf("waited %s for %s; now: %s", patience, what, now)
		}
	}
}
