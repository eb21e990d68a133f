package filelock_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/processor/filelock"
)

func TestLockExcludes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sub", "a.lock")
	var wg sync.WaitGroup
	var holders atomic.Int32
	for range 8 {
		wg.Go(func() {
			unlock, err := filelock.Lock(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			if n := holders.Add(1); n != 1 {
				t.Errorf("%d hold the lock", n)
			}
			holders.Add(-1)
			unlock()
		})
	}
	wg.Wait()
}

func TestLockGivesUpWithContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.lock")
	unlock, err := filelock.Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := filelock.Lock(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want the end of the context", err)
	}
}

func TestShareExcludesOnlyThoseWhoAreAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.lock")
	first, err := filelock.Share(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := filelock.Share(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	first()
	if _, err := filelock.Try(path); !errors.Is(err, filelock.ErrHeld) {
		t.Errorf("one who shares is left: got %v", err)
	}
	second()
	alone, err := filelock.Try(path)
	if err != nil {
		t.Fatal(err)
	}
	defer alone()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := filelock.Share(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the context", err)
	}
}

// TestRemovedFile has holders remove the file: nobody holds the lock on a file
// that nobody else finds.
func TestRemovedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sub", "a.lock")
	var wg sync.WaitGroup
	var holders atomic.Int32
	for i := range 6 {
		wg.Go(func() {
			for range 200 {
				unlock, err := filelock.Lock(t.Context(), path)
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d hold the lock", n)
				}
				holders.Add(-1)
				if i%2 == 0 { // from then on another may have it
					_ = os.Remove(path)
					_ = os.Remove(filepath.Dir(path))
				}
				unlock()
			}
		})
	}
	wg.Wait()
}
