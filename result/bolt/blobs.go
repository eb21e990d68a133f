package bolt

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/elasticcode/flow/model"
)

// values are large values: a file each, under its hash. The time of its last
// change, as the file system tells it, is when it ends.
type values struct {
	dir  string
	most int64 // bytes

	mu    sync.Mutex // guards the fields below, and lets one at a time keep
	size  int64      // about how many bytes there are
	swept time.Time  // when that was counted and what had ended removed
}

// sweepValues is how often large values that have ended are looked for, while
// others are kept.
const sweepValues = time.Minute

// Keep keeps large values.
func (s *Store) Keep(ctx context.Context, ttl time.Duration, blobs ...model.Blob) error {
	if ttl < time.Millisecond {
		return fmt.Errorf("keep large values for %v: they must be kept for a millisecond or longer", ttl)
	}
	if err := s.values.keep(ctx, time.Now().Add(ttl), blobs); err != nil {
		return fmt.Errorf("keep %d large values: %w", len(blobs), err)
	}
	return nil
}

func (v *values) keep(ctx context.Context, ends time.Time, blobs []model.Blob) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, b := range blobs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !isHash(b.Hash) {
			return fmt.Errorf("%.80q is not a hash", b.Hash)
		}
		if err := v.write(b, ends); err != nil {
			return wrap(err)
		}
	}
	if len(blobs) > 0 && (v.size > v.most || time.Since(v.swept) > sweepValues) {
		return wrap(v.sweep())
	}
	return nil
}

// write makes the file of a value, whole or not at all. One that is there is
// written again: it may have been torn when the machine went down.
func (v *values) write(b model.Blob, ends time.Time) error {
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(v.dir, b.Hash)
	if err := os.WriteFile(path+partial, b.Value, 0o600); err != nil {
		return errors.Join(err, os.Remove(path+partial))
	}
	if err := os.Chtimes(path+partial, ends, ends); err != nil {
		return err
	}
	v.size += int64(len(b.Value))
	return os.Rename(path+partial, path)
}

// partial is how the name of a file ends that is being written.
const partial = ".partial"

// sweep removes what has ended, what a crash left half written, and the first to
// end of what is too much.
func (v *values) sweep() error {
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		return err
	}
	now := time.Now()
	var files []os.FileInfo
	v.size = 0
	for _, e := range entries {
		f, err := e.Info()
		if err != nil {
			continue // it is gone
		}
		if strings.HasSuffix(f.Name(), partial) || !f.ModTime().After(now) {
			if err := os.Remove(filepath.Join(v.dir, f.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			continue
		}
		v.size += f.Size()
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b os.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	// More than has to go, so that it is not the next one's turn again.
	for _, f := range files {
		if v.size <= v.most-v.most/8 {
			break
		}
		if err := os.Remove(filepath.Join(v.dir, f.Name())); err != nil {
			return err
		}
		v.size -= f.Size()
	}
	v.swept = now
	return nil
}

// Fetch returns those of the values that are here.
func (s *Store) Fetch(ctx context.Context, hashes ...string) (map[string]json.RawMessage, error) {
	found := make(map[string]json.RawMessage, len(hashes))
	for _, h := range hashes {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("fetch %d large values: %w", len(hashes), err)
		}
		if !isHash(h) || found[h] != nil {
			continue
		}
		value, err := s.values.read(h)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("fetch %d large values: %w", len(hashes), wrap(err))
		}
		found[h] = value
	}
	return found, nil
}

func (v *values) read(hash string) ([]byte, error) {
	path := filepath.Join(v.dir, hash)
	f, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !f.ModTime().After(time.Now()) {
		return nil, os.ErrNotExist
	}
	return os.ReadFile(path)
}

// isHash tells whether a text is a hash, and so a file's name and no path.
func isHash(text string) bool {
	const hex = "0123456789abcdef"
	return len(text) == 64 && strings.Trim(text, hex) == ""
}
