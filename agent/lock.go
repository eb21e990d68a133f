package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lock makes sure that one agent runs under a node's name on this machine: two
// would each take the other's claims for those of a predecessor.
func lock(dir, node string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the agent's cache directory: %w", err)
	}
	path := filepath.Join(dir, "agent-"+node+".lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock node %s: %w", node, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("an agent for node %s runs already with %s: stop it, or give this one another --name and --data-dir", node, dir)
		}
		return nil, fmt.Errorf("lock node %s: %w", node, err)
	}
	return func() { _ = f.Close() }, nil
}
