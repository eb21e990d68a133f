package worker

import (
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

// probes tells whether a claim is made only to find out whether claims can be made.
func probes(holder string, calls []string) bool { return slices.Equal(calls, []string{holder}) }

// stalling is a result store that does not answer the first claim of a call for a while.
type stalling struct {
	result.Store
	claims *atomic.Int32
	d      time.Duration
}

func (s stalling) Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]result.Claim, error) {
	if !probes(holder, calls) && s.claims.Add(1) == 1 {
		<-time.After(s.d)
	}
	return s.Store.Claim(ctx, holder, lease, calls...)
}

// TestCopyAfterAStall: who had run a call when the result store stopped answering is
// the first to tell, also when the lease has lapsed meanwhile.
func TestCopyAfterAStall(t *testing.T) {
	t.Parallel()
	var claims atomic.Int32
	b := setup(t, func(in processor.Invocation) (any, *model.Failure) { return in.ID, nil })
	b.configure = func(c *Config) {
		c.Lease = 6 * time.Second // the copy is put back for half of it
		c.Results = stalling{c.Results, &claims, c.Lease / 2}
	}
	if _, err := b.results.Claim(b.ctx, "another worker", 10*time.Millisecond, "copy"); err != nil {
		t.Fatal(err)
	}
	send := func(id string, repeat bool) {
		env := model.Envelope{ID: id, Tracking: "run", Socket: "source", Args: []json.RawMessage{json.RawMessage("1")}, Created: time.Now()}
		to := socket.Own(b.endpoints[0].Queue, b.endpoints[0].Socket)
		if err := socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: to, Repeat: repeat}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	send("copy", true)
	send("first", false)
	b.start("1", nil)
	b.eventually("the copy is let go", func() bool {
		claims, err := b.results.Claim(b.ctx, "another worker", time.Minute, "copy")
		return err == nil && claims[0].Granted
	})
	if _, err := b.results.Put(b.ctx, time.Hour, result.Result{Call: "copy", State: model.Succeeded, Value: json.RawMessage("1"), Attempt: 1, Finished: time.Now()}); err != nil {
		t.Fatal(err)
	}
	b.wait("first") // it was claimed with the copy, or after it
	b.eventually("both are settled", func() bool { return b.left() == 0 })
	if n := b.program.runs("copy"); n > 0 {
		t.Errorf("the copy ran %d times", n)
	}
	if n := b.program.runs("first"); n != 1 {
		t.Errorf("the other call ran %d times", n)
	}
}

// TestPulse: a stall is what took an answer long, or came long after the one before.
func TestPulse(t *testing.T) {
	t.Parallel()
	const lease = 15 * time.Second
	for _, c := range []struct {
		name         string
		asked, heard time.Duration // ago
		back         bool
	}{
		{"all is well", time.Millisecond, 4 * time.Second, false},
		{"a slow answer", lease/3 + time.Second, lease/3 + 2*time.Second, true},
		{"an answer was missed", time.Millisecond, 2*lease/3 + time.Second, true},
	} {
		p := newPulse(lease)
		p.heard = time.Now().Add(-c.heard)
		p.beat(time.Now().Add(-c.asked))
		if p.back() != c.back {
			t.Errorf("%s: the others have their turn: %t", c.name, p.back())
		}
		p.stall = p.stall.Add(-p.turn())
		if p.back() {
			t.Errorf("%s: the turn of the others does not end", c.name)
		}
	}
}

// deaf is a result store that does not answer who probes it.
type deaf struct {
	result.Store
	asked   chan struct{}
	claimed chan struct{} // a call was
}

func (d deaf) Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]result.Claim, error) {
	if probes(holder, calls) {
		select {
		case d.asked <- struct{}{}:
		case <-ctx.Done():
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	claims, err := d.Store.Claim(ctx, holder, lease, calls...)
	if err == nil && len(calls) > 0 {
		select {
		case d.claimed <- struct{}{}:
		default:
		}
	}
	return claims, err
}

// TestAnIdleWorkerNoticesAStall: a worker that had nothing to claim while the result
// store did not answer is not the first with a copy either.
func TestAnIdleWorkerNoticesAStall(t *testing.T) {
	t.Parallel()
	b := setup(t, func(in processor.Invocation) (any, *model.Failure) { return in.ID, nil })
	store := deaf{b.results, make(chan struct{}), make(chan struct{}, 1)}
	b.configure = func(c *Config) { c.Lease, c.Results = 6*time.Second, store } // the copy is put back for half of it
	b.start("1", nil)
	await := func(c <-chan struct{}, what string) {
		select {
		case <-c:
		case <-b.ctx.Done():
			t.Fatalf("it did not come to this: %s", what)
		}
	}
	for range 3 { // for as long as a lease
		await(store.asked, "the store is asked")
	}
	env := model.Envelope{ID: "copy", Tracking: "run", Socket: "source", Args: []json.RawMessage{json.RawMessage("1")}, Created: time.Now()}
	to := socket.Own(b.endpoints[0].Queue, b.endpoints[0].Socket)
	if err := socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: to, Repeat: true}}, nil); err != nil {
		t.Fatal(err)
	}
	await(store.claimed, "the copy is claimed")
	b.eventually("the copy is let go", func() bool {
		claims, err := b.results.Claim(b.ctx, "who ran it", time.Minute, "copy")
		return err == nil && claims[0].Granted
	})
	if _, err := b.results.Put(b.ctx, time.Hour, result.Result{Call: "copy", State: model.Succeeded, Value: json.RawMessage("1"), Attempt: 1, Finished: time.Now()}); err != nil {
		t.Fatal(err)
	}
	b.eventually("it is settled", func() bool { return b.left() == 0 })
	if n := b.program.runs("copy"); n > 0 {
		t.Errorf("the copy ran %d times", n)
	}
}
