package result

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	b := NewBucket(10, 3)
	take := func(n, want int, wait time.Duration, full time.Time) time.Time {
		t.Helper()
		got, w, next := b.Take(full, now, n)
		if got != want || w != wait {
			t.Errorf("taking %d gave %d and %v to wait, want %d and %v", n, got, w, want, wait)
		}
		return next
	}
	full := take(2, 2, 0, time.Time{})
	full = take(2, 1, 100*time.Millisecond, full)
	full = take(1, 0, 100*time.Millisecond, full)
	now = now.Add(250 * time.Millisecond)
	full = take(5, 2, 50*time.Millisecond, full)
	full = take(-1, 0, 0, full)
	full = take(2, 1, 50*time.Millisecond, full)
	full = take(-9, 0, 0, full)
	full = take(9, 3, 100*time.Millisecond, full)

	// What was taken at a slow rate does not hold up a fast one.
	b = NewBucket(1.0/3600, 1)
	full = take(1, 0, time.Hour-200*time.Millisecond-100*time.Millisecond+0, full.Add(time.Hour-full.Sub(now)-300*time.Millisecond))
	b = NewBucket(10, 1)
	take(1, 0, 100*time.Millisecond, full)
}
