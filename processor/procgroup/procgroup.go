// Package procgroup runs programs that must not outlive their purpose: each is
// the leader of a process group of its own, the whole group is killed at once,
// what the leader leaves behind in its group dies with it, and on Linux the
// leader dies with this process, even when that is killed with SIGKILL.
//
// What leaves the group, as daemons do (setsid), is found on Linux by a mark in its
// environment, which all that descends from the leader inherits. All processes
// are looked through for it when the leader has ended. Who leaves the group and
// gets another environment, or becomes another user, is not found.
package procgroup

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
)

// Group is a running program and what it started.
type Group struct {
	pid   int
	mark  Mark
	spare bool // daemons may outlive a leader that ends by itself
	done  chan struct{}
	err   error // set before done is closed

	mu     sync.Mutex // guards the fields below
	reaped bool
	killed bool
}

// Start starts the command as the leader of a new group. Nothing that descends
// from it goes on when it has ended. The command's output must go to files, not
// to io.Writers, or its end is that of all who hold the output.
func Start(cmd *exec.Cmd) (*Group, error) { return start(cmd, NewMark(), false) }

// StartSparing starts the command with a mark, as Start does, but what has left its
// group goes on when the command exits by itself: all processes are only looked
// through when it was killed. The caller ends the mark one day.
func StartSparing(cmd *exec.Cmd, m Mark) (*Group, error) { return start(cmd, m, true) }

func start(cmd *exec.Cmd, m Mark, spare bool) (*Group, error) {
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(slices.Clip(cmd.Env), markVariable+"="+m.value)
	cmd.SysProcAttr = attributes()
	g := &Group{mark: m, spare: spare, done: make(chan struct{})}
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
	killed := g.killed
	g.mu.Unlock()
	if !g.spare || killed || signaled(err) {
		g.mark.End()
	}
	g.err = err
	close(g.done)
}

// signaled tells whether a program ended by a signal, as Wait returned it.
func signaled(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
}

// PID is the process id of the leader, and of the group.
func (g *Group) PID() int { return g.pid }

// Done is closed when the leader has ended and the rest of what it started was killed.
func (g *Group) Done() <-chan struct{} { return g.done }

// Wait waits for the end of the leader and returns what exec.Cmd.Wait does.
func (g *Group) Wait() error {
	<-g.done
	return g.err
}

// Kill kills all processes of the group at once; what has left it is killed before
// Done is closed. It does nothing when the group has ended, so that a process id
// that was given to another is never hit.
func (g *Group) Kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.reaped {
		g.killed = true
		_ = syscall.Kill(-g.pid, syscall.SIGKILL)
	}
}
