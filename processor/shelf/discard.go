package shelf

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// After so many files there is a breath: nobody waits for what is deleted, and
// workers use the same disk.
const (
	breathEvery = 500
	breath      = 5 * time.Millisecond
)

// Discard deletes a file, or a folder and all in it, and tells how much of the
// disk that frees. It stops when ctx ends. Links are deleted, not followed.
func Discard(ctx context.Context, path string) (bytes int64, err error) {
	d := discarding{ctx: ctx}
	err = d.discard(path)
	return d.bytes, err
}

type discarding struct {
	ctx   context.Context
	bytes int64
	files int
}

func (d *discarding) discard(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another process deletes it, too
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		if err := d.empty(path, info); err != nil {
			return err
		}
	}
	if err := d.pause(); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d.bytes += onDisk(info)
	return nil
}

// empty deletes what is in a folder. It goes on after an error, and returns the first.
func (d *discarding) empty(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o700 != 0o700 { // code made it read-only
		_ = os.Chmod(path, 0o700)
	}
	entries, failed := os.ReadDir(path)
	if errors.Is(failed, fs.ErrNotExist) {
		failed = nil
	}
	for _, e := range entries {
		if err := d.discard(filepath.Join(path, e.Name())); err != nil && failed == nil {
			failed = err
		}
		if d.ctx.Err() != nil {
			return d.ctx.Err()
		}
	}
	return failed
}

func (d *discarding) pause() error {
	if d.files++; d.files%breathEvery != 0 {
		return d.ctx.Err()
	}
	timer := time.NewTimer(breath)
	defer timer.Stop()
	select {
	case <-d.ctx.Done():
		return d.ctx.Err()
	case <-timer.C:
		return nil
	}
}

// onDisk is what a file takes of the disk. One that has another name, as
// installers link files of their cache into environments, frees nothing.
func onDisk(info fs.FileInfo) int64 {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return info.Size()
	}
	if !info.IsDir() && stat.Nlink > 1 {
		return 0
	}
	return stat.Blocks * 512
}
