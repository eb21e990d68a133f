package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/shelf"
	"github.com/elasticcode/flow/processor/shell"
	"github.com/elasticcode/flow/processor/source"
)

// TestCodeOfThePlanIsKept updates a processor and puts it back: what the plan
// names and what still runs is kept, the rest may go and is fetched again.
func TestCodeOfThePlanIsKept(t *testing.T) {
	t.Parallel()
	dir, cache := t.TempDir(), t.TempDir()
	commits := []string{commitScript(t, dir, "echo 1"), commitScript(t, dir, "echo 2")}
	sources, err := source.New(source.Config{Dir: cache, Logger: testenv.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	prune := func() {
		t.Helper()
		if err := sources.Prune(t.Context(), time.Now().Add(time.Hour), func(r shelf.Removed) { t.Logf("%+v", r) }); err != nil {
			t.Fatal(err)
		}
	}
	there := func() (out string) {
		found, _ := filepath.Glob(filepath.Join(cache, "checkouts", "*", "*", "bin", "f"))
		for _, path := range found {
			script, _ := os.ReadFile(path)
			out += string(script[len("#!/bin/sh\n"):])
		}
		return out
	}
	b := setupWith(t, sources, map[string]processor.Runtime{model.RuntimeShell: shell.New(shell.Config{})})
	for i, step := range []struct {
		commit int
		left   string
	}{{0, "echo 1"}, {1, "echo 2"}, {0, "echo 1"}} {
		as := assignment("p", 1, int64(i+1))
		as.Processor.Runtime, as.Processor.Module = model.RuntimeShell, "bin"
		as.Processor.GitRepo, as.Processor.Commit = dir, commits[step.commit]
		b.server.want(as)
		b.until("a worker of the commit", func(h model.Heartbeat) bool {
			return len(h.Workers) == 1 && h.Workers[0].Commit == as.Processor.Commit && h.Workers[0].Status == model.StatusRunning && len(h.Processors) == 1
		})
		b.await("the crew before it", func(a *Agent) bool { _, ending := a.known(); return len(ending) == 0 })
		prune()
		if got := there(); got != step.left {
			t.Errorf("step %d: the checkouts that are left: %q, want %q", i, got, step.left)
		}
	}
	b.server.want()
	b.until("no workers", running(0))
	b.await("its end", func(a *Agent) bool { _, ending := a.known(); return len(ending) == 0 })
	prune()
	if got := there(); got != "" {
		t.Errorf("left although nobody needs it: %q", got)
	}
}

// commitScript commits the executable file bin/f.
func commitScript(t *testing.T, dir, script string) string {
	t.Helper()
	repo, err := git.PlainInit(dir, false)
	if err != nil {
		if repo, err = git.PlainOpen(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin", "f"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	w, err := repo.Worktree()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Add("bin/f"); err != nil {
		t.Fatal(err)
	}
	hash, err := w.Commit(script, &git.CommitOptions{Author: &object.Signature{Name: "Test", Email: "test@example.org", When: time.Now()}})
	if err != nil {
		t.Fatal(err)
	}
	return hash.String()
}
