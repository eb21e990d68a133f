package python_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/processortest"
	"github.com/elasticcode/flow/processor/python"
	"github.com/elasticcode/flow/processor/shelf"
)

// pruned removes all that is not used at this moment, and counts it by kind.
func pruned(t *testing.T, cache string) map[string]int {
	t.Helper()
	kinds := map[string]int{}
	if err := python.Prune(t.Context(), cache, time.Now().Add(time.Hour), func(r shelf.Removed) { kinds[r.Kind]++ }); err != nil {
		t.Fatal(err)
	}
	return kinds
}

// compiled lists the compiled modules of the name.
func compiled(t *testing.T, cache, module string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(cache, "python", "pycache"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), module+".") {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPrune(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	r := python.New(python.Config{Logger: testenv.Logger(t)})
	files := map[string]string{
		"m.py":             "import demo_pkg, helper\ndef f(): return demo_pkg.ANSWER\n",
		"helper.py":        "",
		"requirements.txt": "--no-index\n./" + wheelName + "\n",
		wheelName:          wheel(t),
	}
	dirs := []string{processortest.Checkout(t, files), processortest.Checkout(t, files)}
	prepare := func(dir string) processor.Program {
		t.Helper()
		p, err := r.Prepare(testenv.Context(t, 2*time.Minute), processor.Spec{Dir: dir, Module: "m", CacheDir: cache, Commit: "abc"})
		if err != nil {
			t.Fatalf("%v\n%s", err, detail(err))
		}
		if got := call(t, startProgram(t, p), "f"); string(got.Value) != "42" {
			t.Fatalf("got %s %+v", got.Value, got.Failure)
		}
		return p
	}
	first, second := prepare(dirs[0]), prepare(dirs[1])
	leftover := filepath.Join(cache, "python", "host-new-1")
	if err := os.Mkdir(leftover, 0o700); err != nil {
		t.Fatal(err)
	}
	if n := len(compiled(t, cache, "helper")); n != 2 {
		t.Fatalf("%d compiled files of two checkouts", n)
	}
	if kinds := pruned(t, cache); len(kinds) != 1 || kinds["leftover"] != 1 {
		t.Errorf("removed while all is in use: %v", kinds)
	}
	if _, err := os.Stat(leftover); err == nil {
		t.Error("what a killed process left is there")
	}
	if got := call(t, startProgram(t, first), "f"); string(got.Value) != "42" {
		t.Errorf("got %s %+v", got.Value, got.Failure)
	}

	first.Close()
	first.Close() // again, which does nothing
	if err := os.RemoveAll(dirs[0]); err != nil {
		t.Fatal(err)
	}
	kinds := pruned(t, cache)
	if kinds["Python environment"] != 0 || kinds["compiled Python"] == 0 { // the other uses the environment, too
		t.Errorf("removed: %v", kinds)
	}
	if left := compiled(t, cache, "helper"); len(left) != 1 || !strings.Contains(left[0], dirs[1]) {
		t.Errorf("compiled: %q", left)
	}
	if got := call(t, startProgram(t, second), "f"); string(got.Value) != "42" {
		t.Errorf("got %s %+v", got.Value, got.Failure)
	}
	second.Close()
	if kinds := pruned(t, cache); kinds["Python environment"] != 1 {
		t.Errorf("removed: %v", kinds)
	}
	if left, err := os.ReadDir(filepath.Join(cache, "python", "env")); err == nil {
		t.Errorf("left: %v", left)
	}
	prepare(dirs[1]).Close() // made again
}
