package resulttest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

const (
	// limit is how long a test waits for something that should come at once.
	limit = 20 * time.Second
	// keep is the ttl of results that should not expire, and lease of claims.
	keep  = time.Minute
	lease = time.Minute
)

// within returns a context for something that should be quick.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// done is a result with a value to tell it from others.
func done(call string, value any) result.Result {
	v, _ := json.Marshal(value)
	return result.Result{Call: call, State: model.Succeeded, Value: v, Attempt: 1}
}

func put(t testing.TB, s result.Store, rs ...result.Result) {
	t.Helper()
	if _, err := s.Put(within(t, limit), keep, rs...); err != nil {
		t.Fatalf("put: %v", err)
	}
}

// value returns the value of the call's result, or "" when there is none.
func value(t testing.TB, s result.Store, call string) string {
	t.Helper()
	got, err := s.Get(within(t, limit), call)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	return string(got[call].Value)
}

func claim(t testing.TB, s result.Store, holder string, lease time.Duration, calls ...string) []result.Claim {
	t.Helper()
	got, err := s.Claim(within(t, limit), holder, lease, calls...)
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	if len(got) != len(calls) {
		t.Fatalf("%d answers for %d calls", len(got), len(calls))
	}
	return got
}

// granted claims one call and wants it granted.
func granted(t testing.TB, s result.Store, holder, call string) result.Claim {
	t.Helper()
	c := claim(t, s, holder, lease, call)[0]
	if !c.Granted || c.Result != nil || c.Token <= 0 {
		t.Fatalf("%s is not granted %s: %+v", holder, call, c)
	}
	return c
}

// held claims one call and wants to hear that another holds it.
func held(t testing.TB, s result.Store, holder, call, by string) result.Claim {
	t.Helper()
	c := claim(t, s, holder, lease, call)[0]
	if c.Granted || c.Result != nil || c.Holder != by || c.Remaining <= 0 {
		t.Fatalf("%s claims %s: %+v, want it held by %s", holder, call, c, by)
	}
	return c
}

// eventually tries until ok, or fails the test.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	give := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-give:
			t.Fatalf("not within %v: %s", limit, what)
		case <-tick.C:
		}
	}
}

// waiter is a Wait that runs beside the test.
type waiter struct {
	t    testing.TB
	call string
	got  chan result.Result
	err  chan error
}

// wait begins to wait; nothing says when the store has begun, so a test that
// must know waits for something else as well.
func wait(t testing.TB, s result.Store, call string) *waiter {
	t.Helper()
	ctx := within(t, limit)
	w := &waiter{t: t, call: call, got: make(chan result.Result, 1), err: make(chan error, 1)}
	go func() {
		r, err := s.Wait(ctx, call)
		if err != nil {
			w.err <- err
			return
		}
		w.got <- r
	}()
	return w
}

func (w *waiter) want(value string) {
	w.t.Helper()
	select {
	case r := <-w.got:
		if string(r.Value) != value {
			w.t.Errorf("waiting for %s gave %s, want %s", w.call, r.Value, value)
		}
	case err := <-w.err:
		w.t.Errorf("waiting for %s: %v", w.call, err)
	}
}

func (w *waiter) still(t testing.TB) {
	t.Helper()
	select {
	case r := <-w.got:
		t.Fatalf("waiting for %s ended with %+v", w.call, r)
	case err := <-w.err:
		t.Fatalf("waiting for %s ended with %v", w.call, err)
	default:
	}
}

func ids(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%d", model.NewID(), i)
	}
	return out
}
