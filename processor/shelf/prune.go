package shelf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/elasticcode/flow/processor/filelock"
)

// Removed is something that was removed because nobody used it.
type Removed struct {
	Kind  string // what it was, in a word
	Path  string
	Bytes int64     // of the disk, that are free now
	Used  time.Time // when it was used last; zero when that is not known
}

// Prune removes the folders that nobody uses now, nor has since the time, and
// what killed processes left. Each is reported, also when it could only be removed
// in part. It goes on after an error, and returns the first.
func (s Shelf) Prune(ctx context.Context, kind string, before time.Time, report func(Removed)) error {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var failed error
	note := func(err error) {
		if failed == nil {
			failed = err
		}
	}
	note(err)
	for _, e := range entries {
		if Leftover(e.Name()) {
			path := filepath.Join(s.Dir, e.Name())
			bytes, err := Discard(ctx, path)
			note(err)
			report(Removed{Kind: "leftover", Path: path, Bytes: bytes})
		}
	}
	for _, name := range names(entries) {
		if ctx.Err() != nil {
			break
		}
		note(s.prune(ctx, kind, name, before, report))
	}
	if failed == nil {
		failed = ctx.Err()
	}
	_ = os.Remove(s.Dir) // when it is empty
	return failed
}

// names are those of the folders, in order: of each there may be the folder, its
// lock, or only what was to become it.
func names(entries []fs.DirEntry) []string {
	var out []string
	for _, e := range entries {
		name, isLock := strings.CutSuffix(e.Name(), lockSuffix)
		if before, _, isNew := strings.Cut(name, NewSuffix); isNew {
			name = before
		}
		if Leftover(name) || !isLock && !e.IsDir() {
			continue
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// prune removes one folder, unless it is used.
func (s Shelf) prune(ctx context.Context, kind, name string, before time.Time, report func(Removed)) error {
	unlock, err := filelock.Try(s.lock(name))
	if errors.Is(err, filelock.ErrHeld) {
		s.touch(name)
		return nil
	}
	if err != nil {
		return err
	}
	used, gone, err := s.takeOff(name, before)
	unlock()
	for i, path := range gone {
		bytes, discardErr := Discard(ctx, path)
		err = errors.Join(err, discardErr)
		r := Removed{Kind: kind, Path: filepath.Join(s.Dir, name), Bytes: bytes, Used: used}
		if i > 0 || used.IsZero() {
			r = Removed{Kind: "leftover", Path: path, Bytes: bytes}
		}
		report(r)
	}
	return err
}

// takeOff renames what is to be deleted, with the lock held: the folder, when it
// was not used since the time, and what killed processes left beside it.
func (s Shelf) takeOff(name string, before time.Time) (used time.Time, gone []string, err error) {
	info, err := os.Stat(s.lock(name))
	if err != nil {
		return used, nil, err
	}
	gone = s.beside(name)
	if info.ModTime().After(before) {
		return used, gone, nil
	}
	dir := filepath.Join(s.Dir, name)
	if _, err := os.Lstat(dir); err == nil {
		path, err := Aside(dir)
		if err != nil {
			return used, nil, err
		}
		used, gone = info.ModTime(), append([]string{path}, gone...)
	}
	return used, gone, os.Remove(s.lock(name)) // the last thing: from now on the name is another's
}

// beside lists what was to become the folder.
func (s Shelf) beside(name string) (paths []string) {
	entries, _ := os.ReadDir(s.Dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), name+NewSuffix) {
			paths = append(paths, filepath.Join(s.Dir, e.Name()))
		}
	}
	return paths
}

// Aside renames a folder, which nobody uses, to the name of one that is to be
// deleted; Leftover tells that name.
func Aside(dir string) (string, error) {
	path := fmt.Sprintf("%s%s%016x", dir, goneSuffix, rand.Uint64())
	return path, os.Rename(dir, path)
}

// Leftover tells whether the name is that of a folder that is to be deleted.
func Leftover(name string) bool { return strings.Contains(name, goneSuffix) }
