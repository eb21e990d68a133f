package brokertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/elasticcode/flow/broker"
)

// lossy runs many publishers and consumers while the connection is cut several
// times: nothing may be lost; repeats are allowed under the same id.
func lossy(b *bench) { b.lossy(func(*broker.Delivery) bool { return false }) }

// lossyRelease also gives back every seventh delivery.
func lossyRelease(b *bench) {
	var n atomic.Int64
	b.lossy(func(*broker.Delivery) bool { return n.Add(1)%7 == 0 })
}

// lossyRun is the state of one run.
type lossyRun struct {
	*bench
	mu       sync.Mutex // guards seen
	seen     map[string]int
	progress chan struct{} // holds a token when seen has grown
}

func (b *bench) lossy(release func(*broker.Delivery) bool) {
	const publishers, each, consumers, cuts = 8, 150, 4, 5
	b.queue("q")
	r := &lossyRun{bench: b, seen: map[string]int{}, progress: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(b.ctx)
	defer stop()

	var consuming, publishing sync.WaitGroup
	for range consumers {
		out := make(chan *broker.Delivery)
		b.consumeInto(b.Broker, "q", 20, out)
		consuming.Go(func() { r.work(ctx, out, release) })
	}
	for p := range publishers {
		publishing.Go(func() { r.publish(p, each) })
	}
	r.cutAsItGoes(publishers*each, cuts)
	publishing.Wait()
	r.wait(publishers * each)
	b.empty("q") // what was acked late came back and is acked now
	stop()
	consuming.Wait()

	repeats := 0
	for _, n := range r.seen {
		repeats += n - 1
	}
	b.Logf("%d messages, %d repeats through %d cuts", len(r.seen), repeats, cuts)
}

func (r *lossyRun) publish(p, each int) {
	size := 3
	if r.crowds {
		size = 75
	}
	for i := 0; i < each; i += size {
		var msgs []broker.Message
		for j := range size {
			m := to("q", fmt.Sprintf("%d-%d", p, i+j))
			m.Together = r.crowds
			msgs = append(msgs, m)
		}
		if err := r.Broker.Publish(r.ctx, msgs...); err != nil {
			r.Errorf("publish through a short cut: %v", err)
			return
		}
	}
}

func (r *lossyRun) work(ctx context.Context, out <-chan *broker.Delivery, release func(*broker.Delivery) bool) {
	for {
		select {
		case d := <-out:
			r.settle(d, release(d))
		case <-ctx.Done():
			return
		}
	}
}

func (r *lossyRun) settle(d *broker.Delivery, release bool) {
	settle := d.Ack
	if release {
		settle = d.Release
	}
	err := settle(r.ctx)
	switch {
	case errors.Is(err, broker.ErrSessionGone): // it must come again
	case err != nil && !errors.Is(err, broker.ErrUnavailable):
		r.Errorf("settle %s: %v", d.ID, err)
	case !release: // if the answer was lost on the way it comes again, as a repeat
		r.mu.Lock()
		r.seen[d.ID]++
		r.mu.Unlock()
		select {
		case r.progress <- struct{}{}:
		default:
		}
	}
}

// cutAsItGoes cuts whenever another part of the messages has arrived.
func (r *lossyRun) cutAsItGoes(total, cuts int) {
	r.Helper()
	for i := range cuts {
		r.wait(total * (i + 1) / (cuts + 1))
		r.Cut()
	}
}

// wait returns when so many different messages have arrived.
func (r *lossyRun) wait(n int) {
	r.Helper()
	for {
		r.mu.Lock()
		now := len(r.seen)
		r.mu.Unlock()
		if now >= n {
			return
		}
		select {
		case <-r.progress:
		case <-r.ctx.Done():
			r.Fatalf("%d of %d messages arrived: the others are lost", now, n)
		}
	}
}
