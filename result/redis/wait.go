package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/elasticcode/flow/result"
)

// Wait returns the call's result as soon as it is known, and follows Joined.
func (s *Store) Wait(ctx context.Context, call string) (result.Result, error) {
	if _, ok := ctx.Deadline(); !ok {
		return result.Result{}, fmt.Errorf("wait for %s: the context has no deadline", call)
	}
	seen := map[string]bool{}
	for next := call; ; {
		if seen[next] {
			return result.Result{}, fmt.Errorf("wait for %s: the calls it was joined into form a circle, at %s", call, next)
		}
		seen[next] = true
		r, err := s.await(ctx, next)
		if err != nil {
			return result.Result{}, fmt.Errorf("wait for %s: %w", call, err)
		}
		if r.Joined == "" {
			return r, nil
		}
		next = r.Joined
	}
}

// await waits for one call. It is on the list before it looks, so a result that
// comes between looking and waiting is not missed; and the list is looked through
// whenever the subscription was opened, so it need not be open by then.
func (s *Store) await(ctx context.Context, call string) (result.Result, error) {
	got, err := s.waiters.add(s, call)
	if err != nil {
		return result.Result{}, err
	}
	defer s.waiters.remove(call, got)
	known, err := s.Get(ctx, call)
	switch {
	case ctx.Err() != nil:
		return result.Result{}, ctx.Err()
	case err != nil:
		return result.Result{}, err
	}
	if r, ok := known[call]; ok {
		return r, nil
	}
	select {
	case r := <-got:
		return r, nil
	case <-ctx.Done():
		return result.Result{}, ctx.Err()
	}
}

// linger is how long the subscription outlives the last waiter: the next one
// then needs no new connection.
const linger = 10 * time.Second

// waiters are those who wait in this process, and the life of the subscription
// that they share: it begins with the first one and ends a while after the last.
type waiters struct {
	mu     sync.Mutex // guards the fields below
	byCall map[string]map[chan result.Result]struct{}
	stop   context.CancelFunc // of the subscription that runs; nil when none does
	idle   *time.Timer        // ends it; nil while somebody waits
	closed bool

	running sync.WaitGroup
}

// add puts a waiter on the list.
func (w *waiters) add(s *Store, call string) (chan result.Result, error) {
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
		w.running.Go(func() { s.listen(ctx) })
	}
	got := make(chan result.Result, 1)
	if w.byCall[call] == nil {
		w.byCall[call] = map[chan result.Result]struct{}{}
	}
	w.byCall[call][got] = struct{}{}
	return got, nil
}

// remove takes a waiter off the list; again does nothing.
func (w *waiters) remove(call string, got chan result.Result) {
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
func (w *waiters) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.byCall) == 0 && w.stop != nil {
		w.stop()
		w.stop, w.idle = nil, nil
	}
}

// tell gives results to those who wait for them.
func (w *waiters) tell(known map[string]result.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for call, r := range known {
		for got := range w.byCall[call] {
			got <- r // has room: each is told once
		}
		delete(w.byCall, call)
	}
}

// calls returns the calls that somebody waits for.
func (w *waiters) calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.byCall))
}

// among returns those of the ids that somebody waits for.
func (w *waiters) among(ids []string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var waited []string
	for _, id := range ids {
		if _, ok := w.byCall[id]; ok {
			waited = append(waited, id)
		}
	}
	return waited
}

func (w *waiters) close() {
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
