package shelf_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/processor/shelf"
)

// parts are in each folder; the last one is written last.
var parts = []string{"one", "sub/two", "three"}

func build(_ context.Context, dir string) error {
	temp, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+shelf.NewSuffix)
	if err != nil {
		return err
	}
	for _, p := range parts {
		path := filepath.Join(temp, p)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, make([]byte, 5000), 0o444); err != nil {
			return err
		}
	}
	return os.Rename(temp, dir)
}

func whole(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}

func missing(dir string) string {
	for _, p := range parts {
		if info, err := os.Stat(filepath.Join(dir, p)); err != nil || info.Size() != 5000 {
			return p
		}
	}
	return ""
}

func newShelf(t *testing.T) shelf.Shelf {
	t.Helper()
	return shelf.Shelf{Dir: filepath.Join(t.TempDir(), "shelf"), Whole: whole}
}

func take(t *testing.T, s shelf.Shelf, name string) (dir string, release func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	dir, release, err := s.Take(ctx, name, build)
	if err != nil {
		t.Fatal(err)
	}
	return dir, release
}

// prune removes what was not used since the time.
func prune(t *testing.T, s shelf.Shelf, before time.Time) (out []shelf.Removed) {
	t.Helper()
	if err := s.Prune(t.Context(), "folder", before, func(r shelf.Removed) { out = append(out, r) }); err != nil {
		t.Fatal(err)
	}
	return out
}

func listing(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestOldAndUnusedIsRemoved(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	used, release := take(t, s, "used")
	defer release()
	_, old := take(t, s, "old")
	old()
	old() // again, which does nothing
	_, recent := take(t, s, "recent")
	recent()
	long := time.Now().Add(-time.Hour)
	for _, name := range []string{"used", "old"} {
		if err := os.Chtimes(filepath.Join(s.Dir, name+".lock"), long, long); err != nil {
			t.Fatal(err)
		}
	}
	removed := prune(t, s, time.Now().Add(-time.Minute))
	if len(removed) != 1 || removed[0].Kind != "folder" || filepath.Base(removed[0].Path) != "old" || removed[0].Bytes < 15000 || removed[0].Used.Sub(long).Abs() > time.Second {
		t.Errorf("removed: %+v", removed)
	}
	if got := listing(t, s.Dir); !slices.Equal(got, []string{"recent", "recent.lock", "used", "used.lock"}) {
		t.Errorf("left: %q", got)
	}
	// Pruning noted that it is used, in case its user is killed.
	if info, err := os.Stat(filepath.Join(s.Dir, "used.lock")); err != nil || time.Since(info.ModTime()) > time.Minute {
		t.Errorf("the time of what is used: %v %v", info, err)
	}
	if m := missing(used); m != "" {
		t.Errorf("%s is missing from what is used", m)
	}
	release()
	if removed := prune(t, s, time.Now().Add(time.Hour)); len(removed) != 2 {
		t.Errorf("removed: %+v", removed)
	}
	if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
		t.Errorf("an empty shelf is left: %v %q", err, listing(t, s.Dir))
	}
	again, release := take(t, s, "old")
	defer release()
	if m := missing(again); m != "" {
		t.Errorf("%s is missing after it was made again", m)
	}
}

func TestEndOfAUseCounts(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	_, release := take(t, s, "a")
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(s.Dir, "a.lock"), long, long); err != nil {
		t.Fatal(err)
	}
	release()
	if removed := prune(t, s, time.Now().Add(-time.Minute)); len(removed) != 0 {
		t.Errorf("what was used until now was removed: %+v", removed)
	}
}

func TestLeftoversAreDeleted(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	_, release := take(t, s, "a")
	defer release()
	for _, name := range []string{"b.new-1", "b.gone-2", "c.gone-3"} {
		if err := os.MkdirAll(filepath.Join(s.Dir, name, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.Dir, name, "sub", "x"), nil, 0o444); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(s.Dir, name, "sub"), 0o500); err != nil { // code made it read-only
			t.Fatal(err)
		}
	}
	for _, r := range prune(t, s, time.Now().Add(-time.Hour)) {
		if r.Kind != "leftover" {
			t.Errorf("removed: %+v", r)
		}
	}
	if got := listing(t, s.Dir); !slices.Equal(got, []string{"a", "a.lock", "b.lock"}) {
		t.Errorf("left: %q", got)
	}
}

// TestRemovalAgainstUse has many users and two who remove whatever they can, all
// the time: what somebody uses is whole, from the beginning to the end.
func TestRemovalAgainstUse(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const users, rounds = 6, 150
	var removed atomic.Int64
	var using, removing sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for range 2 {
		removing.Go(func() {
			for ctx.Err() == nil {
				// Those who take as long as nothing happens to it see a time in the future.
				err := s.Prune(t.Context(), "folder", time.Now().Add(time.Hour), func(r shelf.Removed) {
					if r.Kind == "folder" {
						removed.Add(1)
					}
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for u := range users {
		using.Go(func() {
			for i := range rounds {
				taking, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				dir, release, err := s.Take(taking, fmt.Sprint("f", (u+i)%3), build)
				cancel()
				if err != nil {
					t.Error(err)
					return
				}
				for range 3 {
					if m := missing(dir); m != "" {
						t.Errorf("%s is missing from a folder in use", m)
					}
				}
				release()
			}
		})
	}
	using.Wait()
	stop()
	removing.Wait()
	if n := removed.Load(); n < 10 {
		t.Errorf("only %d folders were removed meanwhile: the race was not run", n)
	}
	t.Logf("%d folders were removed", removed.Load())
}

func process(t *testing.T, s shelf.Shelf, what string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], what)
	cmd.Env = append(os.Environ(), helperVariable+"="+s.Dir)
	return cmd
}

// TestUserThatIsKilled uses a folder from another process: it is kept as long as
// that lives, and free when it was killed.
func TestUserThatIsKilled(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	cmd := process(t, s, "hold")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "<nil>\n" {
		t.Fatalf("the other process: %q %v", line, err)
	}
	if removed := prune(t, s, time.Now().Add(time.Hour)); len(removed) != 0 {
		t.Errorf("removed from under its user: %+v", removed)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	if removed := prune(t, s, time.Now().Add(time.Hour)); len(removed) != 1 {
		t.Errorf("removed: %+v", removed)
	}
}

// TestPrunerThatIsKilled kills a process while it deletes.
func TestPrunerThatIsKilled(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	dir, release := take(t, s, "a")
	for i := range 4000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("file", i)), nil, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	release()
	cmd := process(t, s, "prune")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for whole(dir) && time.Now().Before(deadline) { // until it is being deleted
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	t.Logf("left by the killed process: %q", listing(t, s.Dir))
	again, release := take(t, s, "a")
	defer release()
	if m := missing(again); m != "" {
		t.Errorf("%s is missing: half a folder was taken for a whole one", m)
	}
	if _, err := os.Stat(filepath.Join(again, "file0")); err == nil {
		t.Error("what was to be deleted was taken")
	}
	prune(t, s, time.Now().Add(time.Hour))
	if got := listing(t, s.Dir); !slices.Equal(got, []string{"a", "a.lock"}) {
		t.Errorf("left: %q", got)
	}
}
