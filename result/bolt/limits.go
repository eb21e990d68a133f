package bolt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/elasticcode/flow/result"
)

// limits are the buckets and rooms.
type limits struct {
	mu      sync.Mutex                      // guards the fields below
	buckets map[string]time.Time            // when each will be full again
	rooms   map[string]map[string]time.Time // who is in each, by when their leases end
	taken   int                             // how often tokens were taken
}

func newLimits() limits {
	return limits{buckets: map[string]time.Time{}, rooms: map[string]map[string]time.Time{}}
}

// Take takes tokens from a bucket.
func (s *Store) Take(ctx context.Context, bucket string, rate float64, burst, n int) (got int, wait time.Duration, err error) {
	if err := result.CheckBucket(bucket, rate, burst); err != nil {
		return 0, 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, 0, fmt.Errorf("take %d from bucket %s: %w", n, bucket, err)
	}
	l := &s.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.taken++; l.taken%sweep == 0 {
		for name, full := range l.buckets {
			if !full.After(now) {
				delete(l.buckets, name) // as good as one that never was
			}
		}
	}
	full, known := l.buckets[bucket]
	if !known {
		full = now
	}
	got, wait, full = result.NewBucket(rate, burst).Take(full, now, n)
	l.buckets[bucket] = full
	return got, wait, nil
}

// Enter lets guests into a room.
func (s *Store) Enter(ctx context.Context, room string, limit int, lease time.Duration, guests ...string) (in []bool, err error) {
	if err := result.CheckRoom(room, limit, lease); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("enter room %s with %d guests: %w", room, len(guests), err)
	}
	l := &s.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	there := l.room(room, now)
	in = make([]bool, len(guests))
	for i, g := range guests {
		if _, known := there[g]; known || limit == 0 || len(there) < limit {
			there[g] = now.Add(lease)
			in[i] = true
		}
	}
	l.settle(room, there)
	return in, nil
}

// Leave gives the places of guests back, and rings.
func (s *Store) Leave(ctx context.Context, room string, guests ...string) error {
	if room == "" {
		return errors.New("leave a room: it has no name")
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("leave room %s with %d guests: %w", room, len(guests), err)
	}
	s.limits.leave(room, guests)
	s.rooms.Rang([]string{room})
	return nil
}

func (l *limits) leave(room string, guests []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	there := l.room(room, time.Now())
	for _, g := range guests {
		delete(there, g)
	}
	l.settle(room, there)
}

// Await waits until somebody leaves the room.
func (s *Store) Await(ctx context.Context, room string) error { return s.rooms.Await(ctx, room) }

// room returns who is in a room now.
func (l *limits) room(room string, now time.Time) map[string]time.Time {
	there := l.rooms[room]
	if there == nil {
		return map[string]time.Time{}
	}
	for g, ends := range there {
		if !now.Before(ends) {
			delete(there, g)
		}
	}
	return there
}

// settle keeps who is in a room, and nothing of one that is empty.
func (l *limits) settle(room string, there map[string]time.Time) {
	if len(there) == 0 {
		delete(l.rooms, room)
		return
	}
	l.rooms[room] = there
}

// held is how many places are taken.
func (l *limits) held(now time.Time) (places int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, there := range l.rooms {
		for _, ends := range there {
			if now.Before(ends) {
				places++
			}
		}
	}
	return places
}
