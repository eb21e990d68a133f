package retention

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/sqlite"
)

// history has calls made n hours ago, for n from 0 to 9: number 3 is dead and
// number 9 has not ended.
func history10(t *testing.T) (*store.Store, context.Context) {
	t.Helper()
	ctx := testenv.Context(t, time.Minute)
	s, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "flow.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	var calls []model.Call
	for n := range 10 {
		at := time.Now().UTC().Add(-time.Duration(n)*time.Hour - time.Minute)
		c := model.Call{ID: fmt.Sprint("c", n), Tracking: "run", Network: "default", Socket: "s", State: model.Succeeded, Attempt: 1, Created: at, Started: &at, Finished: &at,
			Events: []model.Event{{Name: "postrun", Time: at}}, Log: []model.LogLine{{Time: at, Stream: "stdout", Text: "x"}}}
		switch n {
		case 3:
			c.State = model.Dead
		case 9:
			c.State, c.Finished = model.Running, nil
		}
		calls = append(calls, c)
	}
	if err := s.RecordCalls(ctx, calls); err != nil {
		t.Fatal(err)
	}
	return s, ctx
}

func left(t *testing.T, ctx context.Context, s *store.Store) string {
	t.Helper()
	page, err := s.Calls(ctx, store.CallFilter{Network: "default", List: store.List{Limit: 100}})
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, c := range page.Items {
		out += c.ID + " "
	}
	return out
}

func TestRetention(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"for ever": {Config{}, "c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 "},
		"by age":   {Config{Age: 2 * time.Hour}, "c0 c1 c3 c9 "},
		"by count": {Config{Calls: 4}, "c0 c1 c2 c3 c9 "},
		"by both":  {Config{Age: time.Hour, Calls: 4}, "c0 c3 c9 "},
		"enough":   {Config{Calls: 100, Age: 100 * time.Hour}, "c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ctx := history10(t)
			c.cfg.History, c.cfg.Logger = s, testenv.Logger(t)
			r := New(c.cfg)
			if _, err := r.Pass(ctx); err != nil {
				t.Fatal(err)
			}
			if got := left(t, ctx, s); got != c.want {
				t.Errorf("left is %s, want %s", got, c.want)
			}
		})
	}
}

// TestLargeValues: one that no call has goes after a day, one that an unknown
// call holds after a month, and one that a known call has stays.
func TestLargeValues(t *testing.T) {
	t.Parallel()
	s, ctx := history10(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var refs []model.Ref
	for i := range 3 * values { // more than one page
		b := model.NewBlob(fmt.Appendf(nil, "%d", i))
		must(s.KeepBlobs(ctx, b.Parts()...))
		refs = append(refs, model.Ref{At: fmt.Sprint("/args/", i), Hash: b.Hash, Size: len(b.Value)})
	}
	must(s.HoldBlobs(ctx, model.Call{ID: "c0", Refs: refs[:1]}, model.Call{ID: "unknown", Refs: refs[1:2]}))
	r := New(Config{History: s, Logger: testenv.Logger(t)})
	for _, c := range []struct {
		after time.Duration
		gone  int
	}{{time.Hour, 0}, {25 * time.Hour, 3*values - 2}, {29 * 24 * time.Hour, 0}, {31 * 24 * time.Hour, 1}, {1000 * 24 * time.Hour, 0}} {
		n, err := r.sweep(ctx, time.Now().Add(c.after))
		must(err)
		if n != c.gone {
			t.Errorf("after %s %d values go, want %d", c.after, n, c.gone)
		}
	}
}

// kept is a history that tells what it is asked to prepare and to drop.
type kept struct {
	*store.Store
	until, before time.Duration // from now
	width         time.Duration
	fails         bool
}

var errBusy = errors.New("busy")

func (k *kept) MakeDays(_ context.Context, now, until time.Time, width time.Duration) error {
	k.until, k.width = until.Sub(now), width
	return errBusy // nothing depends on it
}

func (k *kept) DropDays(_ context.Context, before time.Time) (int, error) {
	k.before = time.Since(before).Round(time.Minute)
	if k.fails {
		return 1, errBusy
	}
	return 2, nil
}

// TestDays: days are made ahead, and dropped by age only; where that fails calls
// are removed one by one.
func TestDays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg           Config
		fails         bool
		width, before time.Duration
		removed       int
	}{
		"for ever":  {Config{}, false, month, 0, 0},
		"by count":  {Config{Calls: 8}, false, month, 0, 1},
		"by age":    {Config{Age: 8 * time.Hour}, false, day, 8 * time.Hour, 2 + 1},
		"for years": {Config{Age: 1000 * day}, false, month, 1000 * day, 2},
		"busy":      {Config{Age: 8 * time.Hour}, true, day, 8 * time.Hour, 1 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ctx := history10(t)
			k := &kept{Store: s, fails: c.fails}
			c.cfg.History, c.cfg.Logger = k, testenv.Logger(t)
			r := New(c.cfg)
			r.Ahead(ctx)
			n, err := r.Pass(ctx)
			if err != nil || n != c.removed || k.width != c.width || k.before != c.before || k.until != ahead {
				t.Errorf("removed %d (%v), days of %s until %s, dropped what is older than %s", n, err, k.width, k.until, k.before)
			}
		})
	}
}
