package resulttest

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

// limiter is the store's other side.
func limiter(t testing.TB, s result.Store) result.Limiter {
	t.Helper()
	l, ok := s.(result.Limiter)
	if !ok {
		t.Fatalf("%T keeps no limits", s)
	}
	return l
}

func take(t testing.TB, s result.Store, bucket string, rate float64, burst, n int) (int, time.Duration) {
	t.Helper()
	got, wait, err := limiter(t, s).Take(within(t, limit), bucket, rate, burst, n)
	if err != nil {
		t.Fatalf("take: %v", err)
	}
	if got > max(n, 0) || (got < n) != (wait > 0) {
		t.Fatalf("taking %d gave %d and %v to wait", n, got, wait)
	}
	return got, wait
}

func enter(t testing.TB, s result.Store, room string, limit int, lease time.Duration, calls ...string) []bool {
	t.Helper()
	in, err := limiter(t, s).Enter(within(t, time.Minute), room, limit, lease, calls...)
	if err != nil {
		t.Fatalf("enter: %v", err)
	}
	if len(in) != len(calls) {
		t.Fatalf("%d answers for %d calls", len(in), len(calls))
	}
	return in
}

func (s suite) mustEnter(t testing.TB, store result.Store, room string, limit int, want bool, call string) {
	t.Helper()
	if in := enter(t, store, room, limit, lease, call)[0]; in != want {
		t.Fatalf("that %s is in is %v, want %v", call, in, want)
	}
}

// hourly is a rate at which nothing comes while a test runs.
const hourly = 1.0 / 3600

func (s suite) take(t *testing.T) {
	b := s.open(t)
	bucket := "default/odd name.é:" + model.NewID()
	if got, _ := take(t, b.Store, bucket, hourly, 5, 3); got != 3 {
		t.Errorf("a new bucket of 5 gave %d of 3", got)
	}
	got, wait := take(t, b.Other, bucket, hourly, 5, 3)
	if got != 2 || wait > time.Hour || wait < 50*time.Minute {
		t.Errorf("the rest of it was %d, and the next one in %v", got, wait)
	}
	if got, _ := take(t, b.Store, bucket, hourly, 5, 1); got != 0 {
		t.Error("an empty bucket gave one")
	}
	if got, _ := take(t, b.Store, "another", hourly, 5, 5); got != 5 {
		t.Errorf("another bucket gave %d of 5", got)
	}
	take(t, b.Store, bucket, hourly, 5, -2)
	if got, _ := take(t, b.Other, bucket, hourly, 5, 5); got != 2 {
		t.Errorf("after 2 were given back there were %d", got)
	}
	take(t, b.Store, bucket, hourly, 5, -100)
	if got, _ := take(t, b.Other, bucket, hourly, 5, 100); got != 5 {
		t.Errorf("after too many were given back there were %d, and it holds 5", got)
	}
}

// refill: over a while there are about as many as the rate says, and never more.
func (s suite) refill(t *testing.T) {
	b := s.open(t)
	const rate, burst = 50.0, 5
	bucket := model.NewID()
	begin := time.Now()
	total := 0
	for i := 0; total < 40; i++ {
		got, wait := take(t, []result.Store{b.Store, b.Other}[i%2], bucket, rate, burst, 3)
		total += got
		if most := burst + int(math.Ceil(time.Since(begin).Seconds()*rate)); total > most+1 {
			t.Fatalf("%d were given in %v, at %v a second and a burst of %d", total, time.Since(begin), rate, burst)
		}
		if wait > time.Second/rate+time.Millisecond {
			t.Fatalf("the next one is said to come in %v", wait)
		}
		pause := time.NewTimer(wait)
		<-pause.C
	}
}

// takeRace: however many take at once, there are no more than there are.
func (s suite) takeRace(t *testing.T) {
	b := s.open(t)
	bucket := model.NewID()
	var (
		mu    sync.Mutex
		total int
		wg    sync.WaitGroup
	)
	for i := range 24 {
		store := limiter(t, []result.Store{b.Store, b.Other}[i%2])
		wg.Go(func() {
			got, _, err := store.Take(within(t, limit), bucket, hourly, 30, 2)
			if err != nil {
				t.Errorf("take: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			total += got
		})
	}
	wg.Wait()
	if total != 30 {
		t.Errorf("a bucket of 30 gave %d", total)
	}
}

// rateChanges: a limit that changes counts at once.
func (s suite) rateChanges(t *testing.T) {
	b := s.open(t)
	bucket := model.NewID()
	take(t, b.Store, bucket, hourly, 10, 10)
	if _, wait := take(t, b.Store, bucket, 1000, 10, 1); wait > time.Millisecond+time.Microsecond {
		t.Errorf("at 1000 a second the next one is said to come in %v", wait)
	}
	eventually(t, "the faster bucket has some", func() bool {
		got, _ := take(t, b.Store, bucket, 1000, 10, 10)
		return got > 0
	})
	eventually(t, "it is full again", func() bool {
		got, _ := take(t, b.Store, bucket, 1000, 10, 10)
		take(t, b.Store, bucket, 1000, 10, -got)
		return got == 10
	})
	if got, _ := take(t, b.Store, bucket, hourly, 2, 10); got != 2 {
		t.Errorf("a bucket that was made smaller gave %d, and it holds 2", got)
	}
}

func (s suite) enter(t *testing.T) {
	b := s.open(t)
	room := "default/odd name.é:" + model.NewID()
	if in := enter(t, b.Store, room, 2, lease, "a", "b", "c"); !in[0] || !in[1] || in[2] {
		t.Fatalf("a room of 2 let in %v", in)
	}
	s.mustEnter(t, b.Other, room, 2, false, "c")
	s.mustEnter(t, b.Other, room, 2, true, "a") // it is in
	s.mustEnter(t, b.Other, room, 1, true, "b") // also where the room has become smaller
	s.mustEnter(t, b.Other, "another", 2, true, "c")
	if err := limiter(t, b.Other).Leave(within(t, limit), room, "a", "a", "nobody"); err != nil {
		t.Fatal(err)
	}
	s.mustEnter(t, b.Store, room, 1, false, "c")
	s.mustEnter(t, b.Store, room, 2, true, "c")
	s.mustEnter(t, b.Store, room, 2, false, "a")
	s.mustEnter(t, b.Store, room, 0, true, "a") // it runs, so it counts
	s.mustEnter(t, b.Store, room, 3, false, "d")
	s.mustEnter(t, b.Store, room, 4, true, "d")
}

// enterRace: at no time are more in than may be.
func (s suite) enterRace(t *testing.T) {
	b := s.open(t)
	room := model.NewID()
	const size = 3
	var (
		mu       sync.Mutex
		now, top int
		wg       sync.WaitGroup
	)
	step := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		now += n
		top = max(top, now)
	}
	for i := range 12 {
		store := limiter(t, []result.Store{b.Store, b.Other}[i%2])
		wg.Go(func() {
			ctx := within(t, time.Minute)
			for range 3 {
				call := model.NewID()
				for {
					in, err := store.Enter(ctx, room, size, lease, call)
					if err != nil {
						t.Errorf("enter: %v", err)
						return
					}
					if in[0] {
						break
					}
					pause := time.NewTimer(5 * time.Millisecond)
					<-pause.C
				}
				step(1)
				step(-1)
				if err := store.Leave(ctx, room, call); err != nil {
					t.Errorf("leave: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if top > size || top == 0 {
		t.Errorf("%d were in a room of %d", top, size)
	}
	for range size { // nothing was left behind
		s.mustEnter(t, b.Store, room, size, true, model.NewID())
	}
}

// placesEnd: whoever does not come again loses the place.
func (s suite) placesEnd(t *testing.T) {
	b := s.open(t)
	room := model.NewID()
	enter(t, b.Store, room, 2, 400*time.Millisecond, "gone")
	begin := time.Now()
	if in := enter(t, b.Store, room, 2, 1500*time.Millisecond, "stays"); !in[0] {
		t.Fatal("there was room for two")
	}
	eventually(t, "the place of the one that is gone is free", func() bool {
		enter(t, b.Store, room, 0, 1500*time.Millisecond, "stays")
		return enter(t, b.Other, room, 2, lease, "next")[0]
	})
	for time.Since(begin) < 2*time.Second { // longer than its lease
		if in := enter(t, b.Other, room, 2, 1500*time.Millisecond, "other", "stays"); in[0] || !in[1] {
			t.Fatalf("in a room that is full of those who come again were %v", in)
		}
		pause := time.NewTimer(100 * time.Millisecond)
		<-pause.C
	}
}

// await: who waits for a place is woken when somebody leaves the room, and does
// not find out by looking now and then. One look comes with the subscription, so
// most of the rounds count.
func (s suite) await(t *testing.T) {
	b := s.open(t)
	room := "default/odd name.é:" + model.NewID()
	waiting := func() <-chan time.Duration {
		took := make(chan time.Duration, 1)
		began := time.Now()
		go func() {
			if err := limiter(t, b.Store).Await(within(t, limit), room); err != nil {
				t.Errorf("await: %v", err)
			}
			took <- time.Since(began)
		}()
		return took
	}
	var all []time.Duration
	for range 7 {
		took := waiting()
		for done := false; !done; {
			if err := limiter(t, b.Other).Leave(within(t, limit), room, "a"); err != nil {
				t.Fatal(err)
			}
			select {
			case d := <-took:
				all, done = append(all, d), true
			case <-time.After(20 * time.Millisecond): // it may not have been waiting yet
			}
		}
	}
	slices.Sort(all)
	if all[5] > time.Second {
		t.Errorf("who waited for a place was woken after %v", all)
	}
	// A lease that ended is a place, too, and nobody rings for it.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := limiter(t, b.Store).Await(ctx, "another room"); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for too long ended with %v", err)
	}
}

// handOver: a place that is left is taken by one of those who wait for it, over
// and over, without more in than may be, and without a pause in between.
func (s suite) handOver(t *testing.T) {
	b := s.open(t)
	room := model.NewID()
	const size, turns = 2, 15
	var inside, top, idle atomic.Int64
	var wg sync.WaitGroup
	for i := range 5 {
		store, guest := limiter(t, []result.Store{b.Store, b.Other}[i%2]), model.NewID()
		wg.Go(func() {
			ctx := within(t, time.Minute)
			for range turns {
				missed, err := enterAtLast(ctx, store, room, size, guest)
				if err != nil {
					t.Errorf("enter: %v", err)
					return
				}
				idle.Add(missed)
				now := inside.Add(1)
				for was := top.Load(); now > was && !top.CompareAndSwap(was, now); was = top.Load() {
				}
				inside.Add(-1)
				if err := store.Leave(ctx, room, guest); err != nil {
					t.Errorf("leave: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if top.Load() > size {
		t.Errorf("%d were in a room of %d", top.Load(), size)
	}
	if idle.Load() > 5*turns/2 {
		t.Errorf("in %d turns a bell was missed %d times", 5*turns, idle.Load())
	}
	s.mustEnter(t, b.Store, room, 1, true, "nobody was left behind")
}

// enterAtLast asks for a place until it has one, and tells how often it was left
// between the question and the wait.
func enterAtLast(ctx context.Context, l result.Limiter, room string, size int, guest string) (missed int64, err error) {
	for {
		in, err := l.Enter(ctx, room, size, lease, guest)
		if err != nil || in[0] {
			return missed, err
		}
		waiting, stop := context.WithTimeout(ctx, 500*time.Millisecond)
		if err := l.Await(waiting, room); err != nil {
			missed++
		}
		stop()
	}
}

// roomAfterFlush: those who run count again as soon as they have come again.
func (s suite) roomAfterFlush(t *testing.T) {
	b := s.open(t)
	room := model.NewID()
	s.mustEnter(t, b.Store, room, 1, true, "runs")
	b.Flush()
	s.mustEnter(t, b.Other, room, 0, true, "runs")
	s.mustEnter(t, b.Store, room, 1, false, "next")
	if got, _ := take(t, b.Store, model.NewID(), hourly, 1, 1); got != 1 {
		t.Error("a bucket after a flush gave nothing")
	}
}

func (s suite) limitsRefuse(t *testing.T) {
	b := s.open(t)
	l, ctx := limiter(t, b.Store), within(t, limit)
	for _, c := range []struct {
		bucket string
		rate   float64
		burst  int
	}{{"", 1, 1}, {"b", 0, 1}, {"b", 1, 0}, {"b", -1, 1}} {
		if _, _, err := l.Take(ctx, c.bucket, c.rate, c.burst, 1); err == nil {
			t.Errorf("a bucket of %+v was accepted", c)
		}
	}
	for _, c := range []struct {
		room  string
		limit int
		lease time.Duration
	}{{"", 1, lease}, {"r", -1, lease}, {"r", 1, 0}} {
		if _, err := l.Enter(ctx, c.room, c.limit, c.lease, "a"); err == nil {
			t.Errorf("a room of %+v was accepted", c)
		}
	}
	if err := l.Leave(ctx, "", "a"); err == nil {
		t.Error("a room without a name could be left")
	}
}
