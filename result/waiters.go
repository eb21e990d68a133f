package result

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Waiters are those who wait for results in this process. Drivers keep one: it
// follows Joined, and it runs the driver's subscription, which all waiters
// share, from the first waiter until a while after the last.
type Waiters struct {
	listen func(context.Context)
	get    func(ctx context.Context, calls ...string) (map[string]Result, error)

	mu     sync.Mutex // guards the fields below
	byCall map[string]map[chan Result]struct{}
	stop   context.CancelFunc // of the subscription that runs; nil when none does
	idle   *time.Timer        // ends it; nil while somebody waits
	closed bool

	running sync.WaitGroup
}

// linger is how long the subscription outlives the last waiter: the next one
// then needs no new one.
const linger = 10 * time.Second

// NewWaiters returns an empty list. While somebody waits, listen runs: it calls
// Tell with what becomes known until its context ends, and each time it begins
// to hear, also after a reconnect, with what it did not hear before. Get looks
// up results.
func NewWaiters(
	listen func(context.Context), get func(ctx context.Context, calls ...string) (map[string]Result, error),
) *Waiters {
	return &Waiters{listen: listen, get: get, byCall: map[string]map[chan Result]struct{}{}}
}

// NewRooms returns an empty list of those who wait for places in rooms. Listen is
// as for results: it calls Rang.
func NewRooms(listen func(context.Context)) *Waiters {
	nothing := func(context.Context, ...string) (map[string]Result, error) { return nil, nil }
	return NewWaiters(listen, nothing)
}

// Await is Limiter.Await.
func (w *Waiters) Await(ctx context.Context, room string) error {
	if _, err := w.await(ctx, room); err != nil {
		return fmt.Errorf("await a place in room %s: %w", room, err)
	}
	return nil
}

// Rang lets those go on who wait for places in the rooms.
func (w *Waiters) Rang(rooms []string) {
	rung := make(map[string]Result, len(rooms))
	for _, r := range rooms {
		rung[r] = Result{}
	}
	w.Tell(rung)
}

// Wait is Store.Wait.
func (w *Waiters) Wait(ctx context.Context, call string) (Result, error) {
	if _, ok := ctx.Deadline(); !ok {
		return Result{}, fmt.Errorf("wait for %s: the context has no deadline", call)
	}
	seen := map[string]bool{}
	for next := call; ; {
		if seen[next] {
			return Result{}, fmt.Errorf("wait for %s: the calls it was joined into form a circle, at %s", call, next)
		}
		seen[next] = true
		r, err := w.await(ctx, next)
		if err != nil {
			return Result{}, fmt.Errorf("wait for %s: %w", call, err)
		}
		if r.Joined == "" {
			return r, nil
		}
		next = r.Joined
	}
}

// await waits for one call. It is on the list before it looks, so a result that
// comes between looking and waiting is not missed; and the list is looked through
// whenever listening begins, so that need not be the case yet. For the same reason
// it goes on waiting when it cannot look now.
func (w *Waiters) await(ctx context.Context, call string) (Result, error) {
	got, err := w.add(call)
	if err != nil {
		return Result{}, err
	}
	defer w.remove(call, got)
	known, err := w.get(ctx, call)
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrUnavailable) {
		return Result{}, err
	}
	if r, ok := known[call]; ok {
		return r, nil
	}
	select {
	case r := <-got:
		return r, nil
	case <-ctx.Done():
		if errors.Is(err, ErrUnavailable) && !errors.Is(err, ctx.Err()) {
			return Result{}, fmt.Errorf("%w; at first: %w", ctx.Err(), err)
		}
		return Result{}, ctx.Err()
	}
}

// add puts a waiter on the list.
func (w *Waiters) add(call string) (chan Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, errors.New("the result store is closed")
	}
	if w.idle != nil {
		w.idle.Stop()
		w.idle = nil
	}
	if w.stop == nil {
		ctx, cancel := context.WithCancel(context.Background())
		w.stop = cancel
		w.running.Go(func() { w.listen(ctx) })
	}
	got := make(chan Result, 1)
	if w.byCall[call] == nil {
		w.byCall[call] = map[chan Result]struct{}{}
	}
	w.byCall[call][got] = struct{}{}
	return got, nil
}

// remove takes a waiter off the list, where it may no longer be.
func (w *Waiters) remove(call string, got chan Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.byCall[call], got)
	if len(w.byCall[call]) == 0 {
		delete(w.byCall, call)
	}
	if len(w.byCall) == 0 && w.idle == nil && w.stop != nil {
		w.idle = time.AfterFunc(linger, w.rest)
	}
}

// rest ends the subscription if still nobody waits.
func (w *Waiters) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.byCall) == 0 && w.stop != nil {
		w.stop()
		w.stop, w.idle = nil, nil
	}
}

// Tell gives results to those who wait for them.
func (w *Waiters) Tell(known map[string]Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for call, r := range known {
		for got := range w.byCall[call] {
			got <- r // has room: each is told once
		}
		delete(w.byCall, call)
	}
}

// Calls returns the calls that somebody waits for.
func (w *Waiters) Calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.byCall))
}

// Among returns those of the calls that somebody waits for.
func (w *Waiters) Among(calls []string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var waited []string
	for _, c := range calls {
		if _, ok := w.byCall[c]; ok {
			waited = append(waited, c)
		}
	}
	return waited
}

// Close ends the subscription and waits until it has ended. Nobody can begin to
// wait any more; who waits already is left to his deadline.
func (w *Waiters) Close() {
	w.mu.Lock()
	w.closed = true
	if w.idle != nil {
		w.idle.Stop()
	}
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
	w.mu.Unlock()
	w.running.Wait()
}
