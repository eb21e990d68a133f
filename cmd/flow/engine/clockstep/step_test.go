//go:build faults

package clockstep

import (
	"testing"
	"time"
)

// Run it with: go test -tags faults ./cmd/flow/engine/clockstep
func TestTheWallClockStepsAndTheMonotonicClockDoesNot(t *testing.T) {
	began := time.Now()
	if err := Set(10 * time.Minute); err != nil {
		t.Skip(err)
	}
	ahead := time.Now()
	if err := Set(-10 * time.Minute); err != nil {
		t.Fatal(err)
	}
	behind := time.Now()
	if err := Set(0); err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want time.Duration) {
		if d := (got - want).Abs(); d > 5*time.Second {
			t.Errorf("%s: %s, want about %s", what, got, want)
		}
	}
	near("wall clock ahead", ahead.Round(0).Sub(began.Round(0)), 10*time.Minute)
	near("wall clock behind", behind.Round(0).Sub(began.Round(0)), -10*time.Minute)
	near("monotonic clock", behind.Sub(began), 0)
}
