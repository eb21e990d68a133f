package prune_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/processor/filelock"
	"github.com/elasticcode/flow/processor/prune"
	"github.com/elasticcode/flow/processor/shelf"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newPruner(t *testing.T, cfg prune.Config) (*prune.Pruner, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	p, err := prune.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p, &log
}

func TestPassSaysWhatItRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	passes := 0
	first := func(_ context.Context, before time.Time, report func(shelf.Removed)) error {
		passes++
		if age := time.Since(before); age < time.Hour || age > time.Hour+time.Minute {
			t.Errorf("what is older than %s is removed", age)
		}
		report(shelf.Removed{Kind: "checkout", Path: "/x/abc", Bytes: 3 << 20, Used: time.Unix(1700000000, 0)})
		return errors.New("disk on fire")
	}
	second := func(_ context.Context, _ time.Time, report func(shelf.Removed)) error {
		report(shelf.Removed{Kind: "leftover", Path: "/x/def", Bytes: 2 << 30})
		return nil
	}
	p, log := newPruner(t, prune.Config{Dir: dir, Keep: time.Hour, Caches: []prune.Cache{first, second}})
	unlock, err := filelock.Lock(t.Context(), filepath.Join(dir, "prune.lock"))
	if err != nil {
		t.Fatal(err)
	}
	p.Pass(t.Context()) // another process is at it
	if passes != 0 || log.Len() != 0 {
		t.Errorf("two prune at a time: %s", log)
	}
	unlock()
	p.Pass(t.Context())
	for _, want := range []string{
		`kind=checkout path=/x/abc freed="3.0 MiB" last_used=2023-11-14T22:13:20Z`, `path=/x/def freed="2.0 GiB"`, "disk on fire",
		`msg="unused code pruned" component=prune removed=2 freed="2.0 GiB"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	passes := 0
	p, _ := newPruner(t, prune.Config{
		Keep: time.Hour, First: time.Millisecond, Every: time.Millisecond,
		Caches: []prune.Cache{func(context.Context, time.Time, func(shelf.Removed)) error {
			if passes++; passes == 3 {
				stop()
			}
			return nil
		}},
	})
	if err := p.Run(ctx); err != nil || passes != 3 {
		t.Errorf("%d passes, %v", passes, err)
	}
	forEver, _ := newPruner(t, prune.Config{First: time.Nanosecond})
	if err := forEver.Run(t.Context()); err != nil { // which returns
		t.Error(err)
	}
	if _, err := prune.New(prune.Config{Dir: "/", Keep: -1}); err == nil {
		t.Error("code is kept for less than nothing")
	}
}
