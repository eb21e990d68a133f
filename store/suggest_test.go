package store_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/elasticcode/flow/store"
)

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		far  int
	}{
		{"", "", 0}, {"", "abc", 3}, {"queue", "queue", 0}, {"quue", "queue", 1}, {"queeu", "queue", 1},
		{"kitten", "sitting", 3}, {"ab", "ba", 1}, {"äb", "ab", 1},
	} {
		if far := store.Distance(c.a, c.b); far != c.far {
			t.Errorf("from %q to %q: %d, want %d", c.a, c.b, far, c.far)
		}
	}
}

// TestDistanceIsOne: it is a distance, whatever the words.
func TestDistanceIsOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringN(0, 12, -1).Draw(t, "a"), rapid.StringN(0, 12, -1).Draw(t, "b")
		far := store.Distance(a, b)
		if far != store.Distance(b, a) {
			t.Fatal("it depends on the direction")
		}
		longest := max(len([]rune(a)), len([]rune(b)))
		if far > longest || (far == 0) != (slices.Equal([]rune(a), []rune(b))) {
			t.Fatalf("it is %d", far)
		}
	})
}

func TestClosest(t *testing.T) {
	t.Parallel()
	names := []string{"nothing", "order", "orders", "ordrs", "ordres", "borders"}
	if have := store.Closest("ordrs", names); !slices.Equal(have, []string{"orders", "ordres"}) {
		t.Errorf("closest to ordrs: %q", have)
	}
}
