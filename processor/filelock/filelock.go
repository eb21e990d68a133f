// Package filelock lets processes of one machine take turns: a lock is an
// advisory lock (flock) on a file, which the system releases when its holder
// dies, however it dies.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// The first and the longest pause between two tries. flock cannot be waited for
// with a context, hence the tries.
const (
	firstPause = 2 * time.Millisecond
	maxPause   = 100 * time.Millisecond
)

// Lock takes the lock on path, which is created when it is missing, and waits
// for another holder until ctx ends. The returned function gives it back. Two
// goroutines of one process exclude each other as two processes do. The file
// stays: removing it would let two holders lock different files of one name.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make folder of lock: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := acquire(ctx, f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() {
		// Said, not left to Close: a child being forked right now shares the open file.
		_ = control(f, syscall.LOCK_UN)
		_ = f.Close()
	}, nil
}

func acquire(ctx context.Context, f *os.File) error {
	pause := firstPause
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		err := control(f, syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		timer.Reset(pause)
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for lock %s, which another process holds: %w", f.Name(), ctx.Err())
		case <-timer.C:
		}
		pause = min(2*pause, maxPause)
	}
}

func control(f *os.File, how int) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := conn.Control(func(fd uintptr) { result = syscall.Flock(int(fd), how) }); err != nil {
		return err
	}
	return result
}
