// Package filelock lets processes of one machine take turns: a lock is an
// advisory lock (flock) on a file, which the system releases when its holder
// dies, however it dies.
//
// A lock is held by one, or shared by any number who do not exclude each other.
// Who holds it alone may remove its file as the last thing: those who wait for it
// notice, and take the lock on the file that is there then.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// ErrHeld says that somebody else holds the lock.
var ErrHeld = errors.New("the lock is held")

// Lock takes the lock on path alone. The file is created when it is missing.
// Lock waits for other holders until ctx ends. The returned function gives it
// back. Two goroutines of one process exclude each other as two processes do.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	return wait(ctx, path, syscall.LOCK_EX)
}

// Share takes the lock together with others who share it, as Lock does.
func Share(ctx context.Context, path string) (unlock func(), err error) {
	return wait(ctx, path, syscall.LOCK_SH)
}

// Try takes the lock alone when nobody holds it, else it returns ErrHeld.
func Try(path string) (unlock func(), err error) {
	for {
		f, err := open(path)
		if err != nil {
			return nil, err
		}
		held, err := acquire(f, syscall.LOCK_EX)
		switch {
		case err != nil:
			_ = f.Close()
			return nil, err
		case held:
			return func() { release(f) }, nil
		}
		_ = f.Close()
	}
}

func wait(ctx context.Context, path string, how int) (unlock func(), err error) {
	pause := firstPause
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		f, err := open(path)
		if err != nil {
			return nil, err
		}
		held, err := acquire(f, how)
		if held {
			return func() { release(f) }, nil
		}
		_ = f.Close()
		if err != nil && !errors.Is(err, ErrHeld) {
			return nil, err
		}
		timer.Reset(pause)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for lock %s, which another process holds: %w", path, ctx.Err())
		case <-timer.C:
		}
		pause = min(2*pause, maxPause)
	}
}

// folderTries is how often the folder is made again that another process
// removes at the same time, since it is empty.
const folderTries = 10

func open(path string) (*os.File, error) {
	for try := 1; ; try++ {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || try == folderTries {
			return nil, fmt.Errorf("open lock: %w", err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("make folder of lock: %w", err)
		}
	}
}

// acquire takes the lock if it is free. It is not held, and there is no error,
// when a holder removed the file meanwhile: another file has its name then.
func acquire(f *os.File, how int) (held bool, err error) {
	switch err := control(f, how|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
		return false, ErrHeld
	case err != nil:
		return false, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	mine, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	named, err := os.Stat(f.Name())
	return err == nil && os.SameFile(mine, named), nil
}

func release(f *os.File) {
	// Said, not left to Close: a child being forked right now shares the open file.
	_ = control(f, syscall.LOCK_UN)
	_ = f.Close()
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
