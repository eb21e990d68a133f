package python

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/elasticcode/flow/processor/shelf"
)

// pycache is where interpreters keep what they compiled: below it are the paths of
// the sources' folders.
func pycache(cacheDir string) string { return filepath.Join(cacheDir, "python", "pycache") }

// Prune removes from a cache folder the environments that nobody uses now, nor has
// since the time, what was compiled of sources that are not there any more, and what
// killed processes left.
func Prune(ctx context.Context, cacheDir string, before time.Time, report func(shelf.Removed)) error {
	err := environments(cacheDir).Prune(ctx, "Python environment", before, report)
	return errors.Join(err,
		pruneHosts(ctx, filepath.Join(cacheDir, "python"), before, report),
		pruneCompiled(ctx, pycache(cacheDir), string(filepath.Separator), report))
}

// pruneHosts removes what a killed process left of the files of this package.
func pruneHosts(ctx context.Context, dir string, before time.Time, report func(shelf.Removed)) (failed error) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), hostNew) || info.ModTime().After(before) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		bytes, err := shelf.Discard(ctx, path)
		failed = errors.Join(failed, err)
		report(shelf.Removed{Kind: "leftover", Path: path, Bytes: bytes})
	}
	return failed
}

// pruneCompiled removes folders whose sources are gone. An interpreter that writes
// there right now makes what it needs again, and does without when it cannot.
func pruneCompiled(ctx context.Context, compiled, source string, report func(shelf.Removed)) error {
	entries, err := os.ReadDir(compiled)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		path, of := filepath.Join(compiled, e.Name()), filepath.Join(source, e.Name())
		if _, statErr := os.Stat(of); !errors.Is(statErr, fs.ErrNotExist) {
			err = errors.Join(err, pruneCompiled(ctx, path, of, report))
			continue
		}
		bytes, removeErr := shelf.Discard(ctx, path)
		err = errors.Join(err, removeErr)
		report(shelf.Removed{Kind: "compiled Python", Path: path, Bytes: bytes})
	}
	return err
}
