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

func (s suite) waitAfterPut(t *testing.T) {
	b := s.open(t)
	call := model.NewID()
	put(t, b.Other, done(call, 7))
	wait(t, b.Store, call).want("7")
}

func (s suite) waitBeforePut(t *testing.T) {
	b := s.open(t)
	wait(t, b.Store, "warm")
	var slowest, sum time.Duration
	const rounds = 50
	for n := range rounds {
		call := model.NewID()
		w := wait(t, b.Store, call)
		if n%2 == 0 {
			value(t, b.Store, call) // lets the waiter settle half of the time
		}
		begin := time.Now()
		put(t, b.Other, done(call, n))
		w.want(fmt.Sprint(n))
		took := time.Since(begin)
		sum += took
		slowest = max(slowest, took)
	}
	if slowest > time.Second {
		t.Errorf("a waiter was woken only after %v: by a look now and then, not by the bell", slowest)
	}
	t.Logf("put and woken: %v on average, %v at most", sum/rounds, slowest)
	put(t, b.Other, done("warm", 1))
}

func (s suite) waitBesideAClaim(t *testing.T) {
	b := s.open(t)
	call := model.NewID()
	w := wait(t, b.Store, call)
	granted(t, b.Other, "me", call)
	granted(t, b.Other, "me", call)
	if err := b.Other.Release(within(t, limit), "me", call); err != nil {
		t.Fatal(err)
	}
	granted(t, b.Other, "another", call)
	w.still(t)
	put(t, b.Other, done(call, 1))
	w.want("1")
}

func (s suite) manyWaiters(t *testing.T) {
	b := s.open(t)
	calls := ids(200)
	var waiters []*waiter
	for _, c := range calls {
		waiters = append(waiters, wait(t, b.Store, c), wait(t, b.Store, c), wait(t, b.Other, c))
	}
	for i := 0; i < len(calls); i += 50 {
		var rs []result.Result
		for _, c := range calls[i : i+50] {
			rs = append(rs, done(c, c))
		}
		put(t, b.Other, rs...)
	}
	for _, w := range waiters {
		w.want(`"` + w.call + `"`)
	}
}

func (s suite) waitFollowsJoined(t *testing.T) {
	b := s.open(t)
	arrival, joined, last := model.NewID(), model.NewID(), model.NewID()
	w := wait(t, b.Store, arrival)
	early := done(arrival, "not this")
	early.Joined = joined
	put(t, b.Other, early)
	v := wait(t, b.Store, arrival) // begins when the arrival is known, and the joined call is not
	value(t, b.Store, arrival)
	w.still(t)
	v.still(t)
	second := done(joined, "nor this")
	second.Joined = last
	put(t, b.Other, second)
	put(t, b.Other, done(last, "this"))
	w.want(`"this"`)
	v.want(`"this"`)
	wait(t, b.Store, arrival).want(`"this"`)
}

func (s suite) waitJoinedInACircle(t *testing.T) {
	b := s.open(t)
	for n := 1; n <= 3; n++ {
		circle := ids(n)
		for i, c := range circle {
			r := done(c, i)
			r.Joined = circle[(i+1)%n]
			put(t, b.Other, r)
		}
		begin := time.Now()
		_, err := b.Store.Wait(within(t, limit), circle[0])
		if err == nil || errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > limit/2 {
			t.Errorf("a circle of %d calls gave %v after %v", n, err, time.Since(begin))
		}
	}
}

func (s suite) waitNeedsADeadline(t *testing.T) {
	b := s.open(t)
	if _, err := b.Store.Wait(context.Background(), "x"); err == nil {
		t.Error("waiting without a deadline was accepted")
	}
}

func (s suite) waitEnds(t *testing.T) {
	b := s.open(t)
	begin := time.Now()
	if _, err := b.Store.Wait(within(t, 200*time.Millisecond), model.NewID()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting until the deadline gave %v", err)
	}
	ctx, cancel := context.WithCancel(within(t, limit))
	cancel()
	if _, err := b.Store.Wait(ctx, model.NewID()); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting with an ended context gave %v", err)
	}
	if d := time.Since(begin); d > 2*time.Second {
		t.Errorf("the waits ended only after %v", d)
	}
}
