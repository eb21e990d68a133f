package resulttest

import (
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

func remembers(t *testing.T, s result.Store) time.Time {
	t.Helper()
	at, now, err := s.(result.Memory).Since(within(t, limit))
	if err != nil {
		t.Fatal(err)
	}
	if at.After(now) {
		t.Errorf("it remembers since %s, and has %s", at, now)
	}
	return at
}

// since: a flush shows, and nothing else does.
func (s suite) since(t *testing.T) {
	b := s.open(t)
	first := remembers(t, b.Store)
	put(t, b.Other, done(model.NewID(), 1))
	if again := remembers(t, b.Store); !again.Equal(first) {
		t.Errorf("it remembers since %s, and a moment later since %s", first, again)
	}
	b.Flush()
	if after := remembers(t, b.Store); !after.After(first) {
		t.Errorf("after a flush it still remembers since %s", after)
	}
}

// beginAnew: a store that was never used remembers everything, and saying so
// later does not hide a flush.
func (s suite) beginAnew(t *testing.T) {
	b := s.open(t)
	for _, step := range []struct {
		name  string
		begin bool
		all   bool
	}{{"a new store", true, true}, {"a flushed store", false, false}, {"a store in use", true, false}} {
		if step.begin {
			if err := b.Store.(result.Memory).BeginAnew(within(t, limit)); err != nil {
				t.Fatal(err)
			}
		}
		if at := remembers(t, b.Store); (at.Unix() == 0) != step.all {
			t.Errorf("%s remembers since %s", step.name, at)
		}
		// Whoever claims next is told so, without asking since when.
		if c := granted(t, b.Other, "me", model.NewID()); c.Unsure == step.all {
			t.Errorf("a claim in %s: %+v", step.name, c)
		}
		if step.all {
			b.Flush()
		}
	}
}
