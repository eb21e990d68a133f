package amqp

import (
	"context"
	"errors"
	"sync"

	"github.com/elasticcode/flow/broker"
)

// slot holds something that comes and goes, and lets many wait for it.
type slot[T any] struct {
	mu      sync.Mutex // guards the fields below
	val     *T
	why     error         // why there is none
	changed chan struct{} // closed at the next change
}

func newSlot[T any](why error) *slot[T] {
	return &slot[T]{why: why, changed: make(chan struct{})}
}

// set puts v in; nil takes it out, and why says for what reason.
func (s *slot[T]) set(v *T, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.val, s.why = v, why
	close(s.changed)
	s.changed = make(chan struct{})
}

// now returns what is in the slot, or why nothing is.
func (s *slot[T]) now() (*T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.val, s.why
}

// watch returns what is in the slot, and a channel that is closed at its next change.
func (s *slot[T]) watch() (*T, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.val, s.changed
}

// next waits until something other than old is in the slot. When ctx ends first,
// or giveUp (which may be nil) says so of the reason, it returns the reason why
// nothing is; nil when there is only old.
func (s *slot[T]) next(ctx context.Context, old *T, giveUp func(error) bool) (*T, error) {
	for {
		s.mu.Lock()
		v, why, changed := s.val, s.why, s.changed
		s.mu.Unlock()
		switch {
		case v != nil && v != old:
			return v, nil
		case v == nil && (errors.Is(why, broker.ErrClosed) || giveUp != nil && giveUp(why)):
			return nil, why
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, why
		}
	}
}
