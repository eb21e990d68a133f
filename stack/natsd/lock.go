package natsd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// lockDir makes the directory and takes it for this process. The kernel gives
// the lock up when the process dies in whatever way, so none is ever stale.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory of the embedded NATS server: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "natsd.lock"), os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory of the embedded NATS server: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock the data directory %s: %w", dir, err)
		}
		return nil, fmt.Errorf("%w: %s is used by %s: stop that one first, or choose another directory", ErrInUse, dir, holder(f))
	}
	_ = f.Truncate(0)
	_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0) // only to be shown: the lock is what counts
	return f, nil
}

// ErrInUse says that another server runs in the directory.
var ErrInUse = errors.New("the data directory is in use")

// holder names the process that wrote its number into the lock file.
func holder(f *os.File) string {
	raw, err := io.ReadAll(io.LimitReader(f, 32))
	if pid := strings.TrimSpace(string(raw)); err == nil && pid != "" {
		return "process " + pid
	}
	return "another process"
}

func unlock(f *os.File) { _ = f.Close() } // closing gives the lock up
