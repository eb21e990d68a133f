package jetstream

import (
	"testing"
	"time"
)

// TestDelayLeft: a delay goes on after a restart, and is over in its own time at
// the latest when the clock was set back after the message was stored.
func TestDelayLeft(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct{ age, want time.Duration }{
		{0, time.Minute}, {20 * time.Second, 40 * time.Second}, {time.Hour, -59 * time.Minute}, {-10 * time.Minute, time.Minute},
	} {
		if got := left(now.Add(-c.age).Round(0), time.Minute, now); got.Round(time.Second) != c.want {
			t.Errorf("%s after it was stored, %s of a minute are left, want %s", c.age, got, c.want)
		}
	}
}
