// Package procgroup runs programs that must not outlive their purpose: each is
// the leader of a process group of its own, the whole group is killed at once,
// what the leader leaves behind in its group dies with it, and on Linux the
// leader dies with this process, even when that is killed with SIGKILL.
package procgroup

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// Group is a running program and what it started.
type Group struct {
	pid  int
	done chan struct{}
	err  error // set before done is closed

	mu     sync.Mutex // guards reaped
	reaped bool
}

// Start starts the command as the leader of a new group. The command's output
// must go to files, not to io.Writers, or its end is that of all who hold the
// output.
func Start(cmd *exec.Cmd) (*Group, error) {
	cmd.SysProcAttr = attributes()
	g := &Group{done: make(chan struct{})}
	started := make(chan error)
	go g.run(cmd, started)
	if err := <-started; err != nil {
		return nil, err
	}
	return g, nil
}

// run starts the command and waits for it on one thread: the system sends the
// signal that ends an orphan when the starting thread ends, so this thread has to last
// as long as the command. It would sleep in wait anyway.
func (g *Group) run(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	g.pid = cmd.Process.Pid
	started <- nil
	err := cmd.Wait()
	g.mu.Lock()
	g.reaped = true
	_ = syscall.Kill(-g.pid, syscall.SIGKILL) // the rest of the group
	g.mu.Unlock()
	g.err = err
	close(g.done)
}

// PID is the process id of the leader, and of the group.
func (g *Group) PID() int { return g.pid }

// Done is closed when the leader has ended and the rest of the group was killed.
func (g *Group) Done() <-chan struct{} { return g.done }

// Wait waits for the end of the leader and returns what exec.Cmd.Wait does.
func (g *Group) Wait() error {
	<-g.done
	return g.err
}

// Kill kills all processes of the group at once. It does nothing when the group
// has ended, so that a process id that was given to another is never hit.
func (g *Group) Kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.reaped {
		_ = syscall.Kill(-g.pid, syscall.SIGKILL)
	}
}
