package worker

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/result"
)

// asleep is a result store from which the host of a worker hears nothing when it renews
// the claim of the call "held": as if the worker slept.
type asleep struct {
	result.Store
	sleeps *atomic.Bool
	fell   chan struct{} // closed by the first who sleeps
	wake   chan struct{}
	claims chan []string // of other calls, while it sleeps
}

func (a asleep) Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]result.Claim, error) {
	switch {
	case probes(holder, calls):
	case slices.Contains(calls, "held"):
		if a.sleeps.CompareAndSwap(true, false) {
			close(a.fell)
			<-a.wake
			ctx = context.WithoutCancel(ctx) // it had asked before it slept, and is told now
		}
	default:
		claims, err := a.Store.Claim(ctx, holder, lease, calls...)
		select {
		case a.claims <- calls:
		default:
		}
		return claims, err
	}
	return a.Store.Claim(ctx, holder, lease, calls...)
}

// TestNothingBeginsOnALapsedClaim: of the calls that a worker had claimed before it slept
// for longer than its lease, it runs those that nobody else has.
func TestNothingBeginsOnALapsedClaim(t *testing.T) {
	t.Parallel()
	b := setup(t, func(in processor.Invocation) (any, *model.Failure) { return in.ID, nil })
	b.endpoints[0].Out = nil // nothing follows
	store := asleep{sleeps: &atomic.Bool{}, fell: make(chan struct{}), wake: make(chan struct{}), claims: make(chan []string, 1)}
	b.configure = func(c *Config) {
		c.Lease = 600 * time.Millisecond
		store.Store, c.Results = c.Results, &store
	}
	// A call that has run and is not settled yet has its claim renewed, and is in nobody's way.
	settling, goOn := make(chan struct{}), make(chan struct{})
	wake := sync.OnceFunc(func() {
		close(store.wake)
		close(goOn)
	})
	var once sync.Once
	b.start("1", func(point string, _ func()) {
		if point == "before ack" {
			once.Do(func() {
				close(settling)
				<-goOn
			})
		}
	})
	t.Cleanup(wake)
	b.send("held", 1)
	<-settling
	store.sleeps.Store(true)
	<-store.fell
	all := b.sendTogether(64)
	claimed := <-store.claims
	if len(claimed) < 3 {
		t.Fatalf("%d calls were claimed together", len(claimed))
	}
	ended, elsewhere := claimed[0], claimed[1]
	b.eventually("the claims end", func() bool {
		claims, err := b.results.Claim(b.ctx, "another", time.Minute, elsewhere)
		return err == nil && claims[0].Granted
	})
	then := result.Result{Call: ended, State: model.Succeeded, Value: json.RawMessage(`"then"`), Attempt: 1, Finished: time.Now()}
	if _, err := b.results.Put(b.ctx, time.Hour, then); err != nil {
		t.Fatal(err)
	}
	wake()
	for _, id := range all {
		if id != elsewhere {
			b.wait(id)
		}
	}
	for _, id := range []string{ended, elsewhere} {
		if n := b.program.runs(id); n != 0 {
			t.Errorf("%s, which another worker has, ran %d times", id, n)
		}
	}
	if err := b.results.Release(b.ctx, "another", elsewhere); err != nil {
		t.Fatal(err)
	}
	b.wait(elsewhere)
	b.drained()
}

// stolen is a result store that says of a call that another worker has it.
type stolen struct {
	result.Store
	call  string
	other *atomic.Bool
}

func (s stolen) Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]result.Claim, error) {
	claims, err := s.Store.Claim(ctx, holder, lease, calls...)
	if i := slices.Index(calls, s.call); i >= 0 && err == nil && s.other.Load() {
		claims[i] = result.Claim{Holder: "another", Remaining: time.Second}
	}
	return claims, err
}

// TestTheCallOfAnotherIsEnded: a call that runs although another worker has claimed it
// meanwhile is ended, and is not told as if its code had failed.
func TestTheCallOfAnotherIsEnded(t *testing.T) {
	t.Parallel()
	runs := make(chan struct{}, 2)
	first := atomic.Bool{}
	b := setup(t, func(in processor.Invocation) (any, *model.Failure) {
		runs <- struct{}{}
		if first.CompareAndSwap(false, true) {
			<-t.Context().Done() // until its process is killed
		}
		return "second", nil
	})
	var other atomic.Bool
	b.configure = func(c *Config) {
		c.Lease = 300 * time.Millisecond
		c.Results = stolen{c.Results, "a", &other}
	}
	b.start("1", nil)
	b.send("a", 1)
	<-runs
	other.Store(true)
	b.eventually("its process is ended", func() bool { return b.program.started() == 2 })
	other.Store(false)
	<-runs
	if r := b.wait("a"); r.State != model.Succeeded || string(r.Value) != `"second"` || r.Attempt != 1 {
		t.Errorf("it ended as %+v", r)
	}
}
