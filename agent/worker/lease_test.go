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

// TestNothingBeginsOnALapsedClaim: a call that a worker had claimed before it slept for
// longer than its lease is run by it only if nobody else has it.
func TestNothingBeginsOnALapsedClaim(t *testing.T) {
	t.Parallel()
	t.Run("nobody has it", func(t *testing.T) {
		t.Parallel()
		b, _, wake := asleepWithACall(t)
		if err := b.results.Release(b.ctx, "another", "call"); err != nil {
			t.Fatal(err)
		}
		wake()
		b.wait("call")
		b.ran("call", 1)
	})
	t.Run("it has ended", func(t *testing.T) {
		t.Parallel()
		b, _, wake := asleepWithACall(t)
		then := result.Result{Call: "call", State: model.Succeeded, Value: json.RawMessage(`"then"`), Attempt: 1, Finished: time.Now()}
		if _, err := b.results.Put(b.ctx, time.Hour, then); err != nil {
			t.Fatal(err)
		}
		wake()
		b.drained()
		b.ran("call", 0)
	})
	t.Run("another runs it", func(t *testing.T) {
		t.Parallel()
		b, claims, wake := asleepWithACall(t)
		wake()
		b.eventually("the worker asks for it anew", func() bool {
			select {
			case <-claims:
				return true
			default:
				return b.program.runs("call") > 0
			}
		})
		b.ran("call", 0)
		if err := b.results.Release(b.ctx, "another", "call"); err != nil {
			t.Fatal(err)
		}
		b.wait("call")
		b.ran("call", 1)
	})
}

func (b *bench) ran(id string, want int) {
	b.t.Helper()
	if n := b.program.runs(id); n != want {
		b.t.Errorf("%s ran %d times, want %d", id, n, want)
	}
}

// asleepWithACall has a worker that claimed "call" and sleeps until wake, by which time
// another one has claimed it. It also returns the claims that are made from then on.
func asleepWithACall(t *testing.T) (b *bench, claims <-chan []string, wake func()) {
	b = setup(t, func(in processor.Invocation) (any, *model.Failure) { return in.ID, nil })
	b.endpoints[0].Out = nil // nothing follows
	store := asleep{sleeps: &atomic.Bool{}, fell: make(chan struct{}), wake: make(chan struct{}), claims: make(chan []string, 1)}
	b.configure = func(c *Config) {
		c.Lease = 600 * time.Millisecond
		store.Store, c.Results = c.Results, &store
	}
	// A call that has run and is not settled yet has its claim renewed, and is in nobody's way.
	settling, goOn := make(chan struct{}), make(chan struct{})
	wake = sync.OnceFunc(func() {
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
	b.send("call", 1)
	<-store.claims
	b.eventually("the claim ends", func() bool {
		claims, err := b.results.Claim(b.ctx, "another", time.Minute, "call")
		return err == nil && claims[0].Granted
	})
	return b, store.claims, wake
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
