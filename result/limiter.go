package result

import (
	"context"
	"fmt"
	"time"
)

// Limiter is a Store that keeps limits over all who use it: buckets of tokens
// bound how fast something begins, and rooms how many are at it at a time. Both
// come to be when they are used first, and their sizes are told with every use,
// so that a limit that changes counts from the next use on. The clock is the
// store's.
type Limiter interface {
	// Take takes up to n tokens from a bucket that holds at most burst and is
	// refilled at rate a second, and returns how many it got and, when that is
	// fewer, for how long there will be no other. A bucket that is new is full. A
	// negative n gives back tokens that were not used.
	Take(ctx context.Context, bucket string, rate float64, burst, n int) (got int, wait time.Duration, err error)
	// Enter lets guests into a room in which at most limit may be, in their order,
	// and tells which are in. A place is a lease of the guest: it ends by itself
	// unless it is entered again, which a guest that is in may always do. A limit
	// of 0 lets everybody in: so those that are at it keep their places, also in a
	// store that has lost its memory.
	Enter(ctx context.Context, room string, limit int, lease time.Duration, guests ...string) (in []bool, err error)
	// Leave gives the places of the guests back, and rings for who awaits one.
	Leave(ctx context.Context, room string, guests ...string) error
	// Await returns when somebody has left the room since it was called, and an
	// error when ctx ends first. It is a hint: it may return although there is no
	// place, and a bell may be missed, or a lease end without one. So who needs a
	// place asks for one now and then, too.
	Await(ctx context.Context, room string) error
}

// CheckBucket tells what is wrong with the arguments of Take, for drivers.
func CheckBucket(bucket string, rate float64, burst int) error {
	if bucket == "" || rate <= 0 || burst < 1 {
		return fmt.Errorf("take from bucket %q at %v a second up to %d: a bucket needs a name, a rate above 0 and a burst of 1 or more", bucket, rate, burst)
	}
	return nil
}

// CheckRoom tells what is wrong with the arguments of Enter, for drivers.
func CheckRoom(room string, limit int, lease time.Duration) error {
	if room == "" || limit < 0 || lease < time.Millisecond {
		return fmt.Errorf("enter room %q of %d for %v: a room needs a name, a limit of 0 or more, and a lease of a millisecond or longer", room, limit, lease)
	}
	return nil
}

// Bucket is the arithmetic of a bucket, for drivers that do it themselves: it
// keeps one time, at which the bucket will be full again.
type Bucket struct {
	Interval time.Duration // between two tokens
	Burst    int
}

// NewBucket returns the arithmetic for a rate a second.
func NewBucket(rate float64, burst int) Bucket {
	return Bucket{Interval: max(time.Duration(float64(time.Second)/rate), time.Nanosecond), Burst: burst}
}

// Take is Limiter.Take at a time, of a bucket that will be full at full. It
// returns when it will be full after that.
func (b Bucket) Take(full, now time.Time, n int) (got int, wait time.Duration, next time.Time) {
	room := time.Duration(b.Burst) * b.Interval
	missing := min(max(full.Sub(now), 0), room) // a bucket is never emptier than empty, whatever its rate was
	switch {
	case n < 0:
		missing = max(missing-time.Duration(-n)*b.Interval, 0)
	default:
		got = min(n, int((room-missing)/b.Interval))
		missing += time.Duration(got) * b.Interval
		if got < n {
			wait = max(missing+b.Interval-room, time.Microsecond)
		}
	}
	return got, wait, now.Add(missing)
}
