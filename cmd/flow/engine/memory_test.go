package engine

import "testing"

func TestGarbageIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 400}, {40 << 20, 400}, {41 << 20, 300}, {160 << 20, 94}, {400 << 20, 39}, {4 << 30, 30}} {
		if got := percentFor(c.live); got != c.want {
			t.Errorf("with %d MB that live it is %d %%, want %d", c.live>>20, got, c.want)
		}
	}
	for live := uint64(1 << 20); live < 500<<20; live += 1 << 20 {
		if garbage := live * uint64(percentFor(live)) / 100; garbage > mostGarbage {
			t.Fatalf("with %d MB that live there may be %d MB of garbage", live>>20, garbage>>20)
		}
	}
}
