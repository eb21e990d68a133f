// Package shelf keeps folders that are made once, used by any number of
// processes, and removed when nobody has used them for a while.
//
// Beside each folder NAME is its lock, NAME.lock. Who uses the folder shares the
// lock for as long as that takes, who makes or removes it holds the lock alone.
// So a folder in use is never removed, and what a killed process used is free at
// once. The time of the lock file is when the folder was used last: it is set when
// a use begins and ends, and by Prune while one goes on.
//
//	NAME        the folder
//	NAME.lock   its lock
//	NAME.gone-… a folder that is being deleted
//	NAME.new-…  for those who make a folder beside its place, and move it there
//
// A folder is renamed before it is deleted, in one step and under its lock: what
// has its name is either whole or not there, also when the process that deletes is
// killed. The next Prune deletes what is left of it.
package shelf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/elasticcode/flow/processor/filelock"
)

// ErrBusy says that another process makes the folder, and took too long.
var ErrBusy = errors.New("another process makes it")

// Shelf is where folders are kept.
type Shelf struct {
	// Dir is the folder that has them.
	Dir string
	// Whole tells whether a folder is complete. It is asked with its lock held.
	Whole func(dir string) bool
}

// What follows the name of a folder.
const (
	lockSuffix = ".lock"
	goneSuffix = ".gone-"
	// NewSuffix follows the name of a folder that is being made beside its place.
	// Under the folder's lock all that have it are leftovers.
	NewSuffix = ".new-"
)

// Take returns the folder of the name, which build makes first if it is missing
// or not whole. Nobody removes it before release was called, which may be called
// more than once.
func (s Shelf) Take(ctx context.Context, name string, build func(ctx context.Context, dir string) error) (dir string, release func(), err error) {
	dir = filepath.Join(s.Dir, name)
	for {
		unlock, err := filelock.Share(ctx, s.lock(name))
		if err != nil {
			return "", nil, fmt.Errorf("%w: %w", ErrBusy, err)
		}
		if s.Whole(dir) {
			s.touch(name)
			return dir, sync.OnceFunc(func() { s.touch(name); unlock() }), nil
		}
		unlock()
		if err := s.make(ctx, name, build); err != nil {
			return "", nil, err
		}
		// It may be gone already, to one who removes what is not used.
	}
}

// make has the folder made unless another was faster.
func (s Shelf) make(ctx context.Context, name string, build func(context.Context, string) error) error {
	unlock, err := filelock.Lock(ctx, s.lock(name))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	defer unlock()
	dir := filepath.Join(s.Dir, name)
	if s.Whole(dir) {
		return nil
	}
	if err := build(ctx, dir); err != nil {
		return err
	}
	s.touch(name)
	if !s.Whole(dir) {
		return fmt.Errorf("make %s: it is not complete although nothing failed", dir)
	}
	return nil
}

func (s Shelf) lock(name string) string { return filepath.Join(s.Dir, name+lockSuffix) }

// touch notes that the folder is used now. A time that cannot be set, on a full
// disk say, only means that the folder is made again one day.
func (s Shelf) touch(name string) {
	now := time.Now()
	_ = os.Chtimes(s.lock(name), now, now)
}
