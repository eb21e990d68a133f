package source

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"

	"github.com/elasticcode/flow/processor/filelock"
	"github.com/elasticcode/flow/processor/shelf"
)

// The files beside a repository of the cache: the locks of who fetches and of
// who needs the objects.
const (
	bareSuffix  = ".git"
	lockSuffix  = ".lock"
	usersSuffix = ".users"
)

// Prune removes the checkouts and the objects that nobody uses now, nor has since
// the time, and what killed processes left. It goes on after an error, and returns
// the first.
func (c *Cache) Prune(ctx context.Context, before time.Time, report func(shelf.Removed)) error {
	keys, err := os.ReadDir(filepath.Join(c.dir, "checkouts"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	failed := err
	note := func(err error) {
		if failed == nil {
			failed = err
		}
	}
	for _, k := range keys {
		note(c.checkouts(k.Name()).Prune(ctx, "checkout", before, report))
	}
	note(c.pruneRepositories(ctx, before, report))
	if failed == nil {
		failed = ctx.Err()
	}
	return failed
}

func (c *Cache) pruneRepositories(ctx context.Context, before time.Time, report func(shelf.Removed)) error {
	dir := filepath.Join(c.dir, "git")
	entries, failed := os.ReadDir(dir)
	if errors.Is(failed, fs.ErrNotExist) {
		return nil
	}
	keys := map[string]bool{}
	for _, e := range entries {
		if shelf.Leftover(e.Name()) {
			path := filepath.Join(dir, e.Name())
			bytes, err := shelf.Discard(ctx, path)
			report(shelf.Removed{Kind: "leftover", Path: path, Bytes: bytes})
			failed = errors.Join(failed, err)
			continue
		}
		key, _, _ := strings.Cut(e.Name(), ".")
		if keys[key] || ctx.Err() != nil {
			continue
		}
		keys[key] = true
		failed = errors.Join(failed, pruneRepository(ctx, filepath.Join(dir, key), before, report))
	}
	return failed
}

// pruneRepository removes packs of a repository, or all of it when nothing is left.
// One that is being fetched or read is for the next time.
func pruneRepository(ctx context.Context, base string, before time.Time, report func(shelf.Removed)) error {
	r := repository{bare: base + bareSuffix, lock: base + lockSuffix, users: base + usersSuffix}
	for _, path := range []string{r.users, r.lock} {
		unlock, err := filelock.Try(path)
		if errors.Is(err, filelock.ErrHeld) {
			return nil
		}
		if err != nil {
			return err
		}
		defer unlock()
	}
	left, err := r.prunePacks(ctx, before, report)
	if err != nil || left > 0 {
		return err
	}
	info, err := os.Stat(r.users)
	if err != nil || info.ModTime().After(before) {
		return err
	}
	if exists(r.bare) {
		gone, err := shelf.Aside(r.bare)
		if err != nil {
			return err
		}
		bytes, err := shelf.Discard(ctx, gone)
		report(shelf.Removed{Kind: "repository", Path: r.bare, Bytes: bytes, Used: info.ModTime()})
		if err != nil {
			return err
		}
	}
	return errors.Join(os.Remove(r.lock), os.Remove(r.users))
}

func (r repository) packs() string { return filepath.Join(r.bare, "objects", "pack") }

// prunePacks removes packs that were not used since the time, and tells how many
// are left. A pack goes before its index: without a pack an index is not looked
// at, while a pack without index would spoil the whole repository.
func (r repository) prunePacks(ctx context.Context, before time.Time, report func(shelf.Removed)) (left int, err error) {
	entries, err := os.ReadDir(r.packs())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		path := filepath.Join(r.packs(), e.Name())
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it went with its pack
			continue
		case err != nil:
			return left, err
		}
		pack, isIndex := strings.CutSuffix(path, ".idx")
		if isIndex && exists(pack+".pack") {
			continue // it goes with its pack
		}
		if info.ModTime().After(before) {
			left++
			continue
		}
		kind, paths := "leftover", []string{path}
		if pack, ok := strings.CutSuffix(path, ".pack"); ok {
			kind, paths = "fetched commit", append(paths, pack+".idx", pack+".rev")
		}
		removed := shelf.Removed{Kind: kind, Path: path, Used: info.ModTime()}
		for _, p := range paths {
			bytes, err := shelf.Discard(ctx, p)
			if removed.Bytes += bytes; err != nil {
				return left, err
			}
		}
		report(removed)
	}
	return left, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// touch notes that the packs with a commit are used now. They are as old as they
// were fetched otherwise.
func (r repository) touch(commit string) {
	now := time.Now()
	entries, _ := os.ReadDir(r.packs())
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".pack")
		if !ok {
			continue
		}
		pack, index := filepath.Join(r.packs(), e.Name()), filepath.Join(r.packs(), name+".idx")
		info, err := os.Stat(pack)
		if err != nil || now.Sub(info.ModTime()) < time.Minute { // soon enough
			continue
		}
		if contains(index, plumbing.NewHash(commit)) {
			_ = os.Chtimes(pack, now, now) // else it is fetched again one day
		}
	}
}

func contains(index string, h plumbing.Hash) bool {
	f, err := os.Open(index)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	idx := idxfile.NewMemoryIndex()
	if err := idxfile.NewDecoder(f).Decode(idx); err != nil {
		return false
	}
	found, err := idx.Contains(h)
	return err == nil && found
}
