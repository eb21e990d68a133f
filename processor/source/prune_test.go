package source_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/processor/shelf"
	"github.com/elasticcode/flow/processor/source"
)

// openCache opens a cache whose folder the test knows.
func openCache(t testing.TB, dir string) *source.Cache {
	t.Helper()
	c, err := source.New(source.Config{Dir: dir, Logger: discard(), Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// age makes everything in a folder old.
func age(t testing.TB, dir string) {
	t.Helper()
	old := time.Now().Add(-48 * time.Hour)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		return os.Chtimes(path, old, old)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// pruned removes what was not used for a day, and counts it by kind.
func pruned(t testing.TB, c *source.Cache) map[string]int {
	t.Helper()
	kinds := map[string]int{}
	err := c.Prune(t.Context(), time.Now().Add(-24*time.Hour), func(r shelf.Removed) {
		kinds[r.Kind]++
		if r.Bytes == 0 && r.Kind != "leftover" {
			t.Errorf("%+v freed nothing", r)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return kinds
}

func files(t testing.TB, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPruneKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	for name, serve := range map[string]func(*testing.T) string{
		"local":            func(*testing.T) string { return s.dir },
		"server":           func(t *testing.T) string { return serve(t, s.dir, "") + "/repo.git" },
		"git's own server": func(t *testing.T) string { return backend(t, s.dir) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serve(t)
			dir := t.TempDir()
			c := openCache(t, dir)
			first, release, err := c.Checkout(t.Context(), url, s.first, "")
			if err != nil {
				t.Fatal(err)
			}
			second, done, err := openCache(t, dir).Checkout(t.Context(), url, s.second, "")
			if err != nil {
				t.Fatal(err)
			}
			done()
			if kinds := pruned(t, c); len(kinds) != 0 {
				t.Errorf("removed although it is new: %v", kinds)
			}
			age(t, dir)
			// The objects of a commit are looked at by others: its pack is used.
			if _, err := c.ReadFile(t.Context(), url, s.second, "pyfi/processors/sample.py"); err != nil {
				t.Fatal(err)
			}
			kinds := pruned(t, c)
			if kinds["checkout"] != 1 || kinds["repository"] != 0 {
				t.Errorf("removed: %v", kinds)
			}
			if b, err := os.ReadFile(filepath.Join(first, "pyfi/processors/sample.py")); string(b) != "one = 1\n" {
				t.Errorf("the checkout that is in use: %q %v", b, err)
			}
			if _, err := os.Stat(second); err == nil {
				t.Error("the checkout that nobody uses is there")
			}
			if b, err := c.ReadFile(t.Context(), url, s.second, "pyfi/processors/sample.py"); err != nil || string(b) != "one = 2\n" {
				t.Errorf("the commit that is in use: %q %v", b, err)
			}

			release()
			age(t, dir)
			if kinds := pruned(t, c); kinds["checkout"] != 1 || kinds["fetched commit"] == 0 || kinds["repository"] != 1 {
				t.Errorf("removed: %v", kinds)
			}
			if left := files(t, dir); len(left) != 0 {
				t.Errorf("left: %q", left)
			}

			// What was removed is had again, from where it was.
			for commit, want := range map[string]string{s.first: "one = 1\n", s.second: "one = 2\n"} {
				again, release, err := c.Checkout(t.Context(), url, commit, "")
				if err != nil {
					t.Fatal(err)
				}
				defer release()
				if b, err := os.ReadFile(filepath.Join(again, "pyfi/processors/sample.py")); string(b) != want {
					t.Errorf("fetched again: %q %v", b, err)
				}
			}
		})
	}
}

// TestPruneByParts removes the objects of one commit while those of others stay.
func TestPruneByParts(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	for name, serve := range map[string]func(*testing.T) string{
		"local":            func(*testing.T) string { return s.dir },
		"git's own server": func(t *testing.T) string { return backend(t, s.dir) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serve(t)
			dir := t.TempDir()
			c := openCache(t, dir)
			resolve := func(commit string) {
				t.Helper()
				if _, err := c.Resolve(t.Context(), source.Ref{URL: url, Kind: source.Commit, Name: commit}, ""); err != nil {
					t.Fatal(err)
				}
			}
			resolve(s.first)
			age(t, dir)
			resolve(s.second)
			if kinds := pruned(t, c); kinds["fetched commit"] != 1 || len(kinds) != 1 {
				t.Errorf("removed: %v", kinds)
			}
			resolve(s.first) // again
			age(t, dir)
			resolve(s.first) // is a use
			if kinds := pruned(t, c); kinds["fetched commit"] != 1 || len(kinds) != 1 {
				t.Errorf("removed: %v", kinds)
			}
			for commit, want := range map[string]string{s.first: "one = 1\n", s.second: "one = 2\n"} {
				if b, err := c.ReadFile(t.Context(), url, commit, "pyfi/processors/sample.py"); err != nil || string(b) != want {
					t.Errorf("commit %s: %q %v", commit, b, err)
				}
			}
		})
	}
}

func TestPruneDeletesLeftovers(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	dir := t.TempDir()
	c := openCache(t, dir)
	checkout, release, err := c.Checkout(t.Context(), s.dir, s.first, "")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	repositories := filepath.Join(dir, "git")
	packs, err := filepath.Glob(filepath.Join(repositories, "*.git", "objects", "pack"))
	if err != nil || len(packs) != 1 {
		t.Fatalf("%q %v", packs, err)
	}
	for _, path := range []string{
		filepath.Join(filepath.Dir(checkout), s.second+".new-1/a/file"), // a checkout that was being written
		filepath.Join(filepath.Dir(checkout), "new-1/a/file"),           // the same, by an older build
		filepath.Join(filepath.Dir(checkout), s.second+".gone-1/a/file"),
		filepath.Join(repositories, "abc.git.gone-1/HEAD"),
		filepath.Join(packs[0], "tmp_pack_1"), filepath.Join(packs[0], "pack-1.idx"), // its pack is gone
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	age(t, filepath.Dir(checkout))
	age(t, packs[0])
	pruned(t, c)
	age(t, filepath.Dir(checkout)) // what has no lock counts from when it was seen first
	pruned(t, c)
	for _, f := range files(t, dir) {
		if strings.Contains(f, "new-") || strings.Contains(f, "gone-") || strings.Contains(f, "tmp_pack") || strings.Contains(f, "pack-1.idx") {
			t.Errorf("%s is left", f)
		}
	}
	if _, err := os.Stat(checkout); err != nil {
		t.Error(err)
	}
}

// TestPruneAgainstUse checks commits out and reads them while everything that
// can be removed is removed all the time.
func TestPruneAgainstUse(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	var removed atomic.Int64
	var using, removing sync.WaitGroup
	pruner := openCache(t, dir)
	removing.Go(func() {
		for ctx.Err() == nil {
			if err := pruner.Prune(t.Context(), time.Now().Add(time.Hour), func(shelf.Removed) { removed.Add(1) }); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for u := range 4 {
		c := openCache(t, dir)
		using.Go(func() {
			for i := range 25 {
				commit, want := s.first, "one = 1\n"
				if (u+i)%2 == 0 {
					commit, want = s.second, "one = 2\n"
				}
				if u == 3 {
					if b, err := c.ReadFile(t.Context(), s.dir, commit, "pyfi/processors/sample.py"); err != nil || string(b) != want {
						t.Errorf("read: %q %v", b, err)
					}
					continue
				}
				checkout, release, err := c.Checkout(t.Context(), s.dir, commit, "")
				if err != nil {
					t.Errorf("checkout: %v", err)
					return
				}
				for _, file := range []string{"pyfi/processors/sample.py", "scripts/run.sh"} {
					if b, err := os.ReadFile(filepath.Join(checkout, file)); err != nil || file[0] == 'p' && string(b) != want {
						t.Errorf("in use: %q %v", b, err)
					}
				}
				release()
			}
		})
	}
	using.Wait()
	stop()
	removing.Wait()
	if removed.Load() < 10 {
		t.Errorf("only %d things were removed meanwhile: the race was not run", removed.Load())
	}
}
