package resulttest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

func (s suite) waitSurvivesCuts(t *testing.T) {
	b := s.open(t)
	calls := ids(40)
	var waiters []*waiter
	for _, c := range calls {
		waiters = append(waiters, wait(t, b.Store, c))
	}
	value(t, b.Store, calls[0])
	for i, c := range calls {
		if i%8 == 0 {
			b.Proxy.Cut()
		}
		put(t, b.Other, done(c, i))
	}
	for i, w := range waiters {
		w.want(fmt.Sprint(i))
	}
}

func (s suite) waitSurvivesAnOutage(t *testing.T) {
	b := s.open(t)
	call := model.NewID()
	w := wait(t, b.Store, call)
	warm := model.NewID() // when this one is answered, the other waits for certain
	v := wait(t, b.Store, warm)
	put(t, b.Other, done(warm, 0))
	v.want("0")
	value(t, b.Store, call)
	b.Proxy.Refuse(true)
	b.Proxy.Cut()
	put(t, b.Other, done(call, 1)) // its bell is not heard
	b.Proxy.Refuse(false)
	w.want("1")
}

func (s suite) waitSurvivesAFlush(t *testing.T) {
	b := s.open(t)
	call := model.NewID()
	w := wait(t, b.Store, call)
	granted(t, b.Store, "me", call)
	value(t, b.Store, call)
	b.Flush()
	w.still(t)
	granted(t, b.Other, "another", call) // what is lost costs a repeat at most
	put(t, b.Other, done(call, 1))
	w.want("1")
}

// waitUnreachable begins to wait during an outage: that either says so, or ends
// well when the outage does.
func (s suite) waitUnreachable(t *testing.T) {
	b := s.open(t)
	call := model.NewID()
	b.Proxy.Refuse(true)
	b.Proxy.Cut()
	w := wait(t, b.Store, call)
	put(t, b.Other, done(call, 1))
	b.Proxy.Refuse(false)
	select {
	case r := <-w.got:
		if string(r.Value) != "1" {
			t.Errorf("got %s", r.Value)
		}
	case err := <-w.err:
		if !errors.Is(err, result.ErrUnavailable) {
			t.Errorf("waiting during an outage gave %v, which is not ErrUnavailable", err)
		}
	}
}

// all calls every method but Wait with the context.
func all(ctx context.Context, s result.Store) map[string]error {
	errs := map[string]error{}
	_, errs["Put"] = s.Put(ctx, keep, done("x", 1))
	_, errs["Get"] = s.Get(ctx, "x")
	_, errs["Claim"] = s.Claim(ctx, "me", lease, "x")
	errs["Release"] = s.Release(ctx, "me", "x")
	errs["Probe"] = result.Probe(ctx, s, "me")
	errs["Forget"] = s.Forget(ctx, "x")
	if l, ok := s.(result.Limiter); ok {
		_, _, errs["Take"] = l.Take(ctx, "b", 1, 1, 1)
		_, errs["Enter"] = l.Enter(ctx, "r", 1, lease, "x")
		errs["Leave"] = l.Leave(ctx, "r", "x")
	}
	return errs
}

func (s suite) unreachable(t *testing.T) {
	b := s.open(t)
	b.Proxy.Refuse(true)
	b.Proxy.Cut()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	for method, err := range all(ctx, b.Store) {
		if !errors.Is(err, result.ErrUnavailable) {
			t.Errorf("%s without a server gave %v, which is not ErrUnavailable", method, err)
		}
	}
	b.Proxy.Refuse(false)
	eventually(t, "the store works again", func() bool {
		_, err := b.Store.Put(within(t, limit), keep, done("y", 1))
		return err == nil
	})
}

func (s suite) stalled(t *testing.T) {
	b := s.open(t)
	value(t, b.Store, "x")
	b.Proxy.Stall(true)
	defer b.Proxy.Stall(false)
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	for method, err := range all(ctx, b.Store) {
		if !errors.Is(err, result.ErrUnavailable) {
			t.Errorf("%s on a connection that stands still gave %v, which is not ErrUnavailable", method, err)
		}
	}
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("the deadline of 500ms was kept after %v", d)
	}
}
