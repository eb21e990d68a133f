package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// smallDisk puts a disk of its own at the directory, which takes this process to
// be root. It takes as much memory as is on it: all of it when it is full.
func smallDisk(dir string, megabytes int) (remove func() error, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		return nil, fmt.Errorf("mount a disk at %s: %w", dir, err)
	}
	return func() error { return syscall.Unmount(dir, syscall.MNT_DETACH) }, nil
}

// fillDisk leaves no room on the disk of the embedded stack for a while.
func fillDisk(d time.Duration) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		filler := filepath.Join(w.disk, "filler")
		f, err := os.Create(filler)
		if err != nil {
			return err
		}
		defer os.Remove(filler)
		defer f.Close()
		// What is freed while calls end is taken, too.
		end, part := time.Now().Add(d), make([]byte, 1<<20)
		for time.Now().Before(end) {
			n, err := f.Write(part)
			if err != nil && !errors.Is(err, syscall.ENOSPC) {
				return err
			}
			if n < len(part) && !sleep(ctx, 100*time.Millisecond) {
				return ctx.Err()
			}
		}
		return nil
	}
}
