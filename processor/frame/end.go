package frame

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"

	"github.com/elasticcode/flow/processor"
)

// finish settles why the process ended and tells everyone.
func (p *Process) finish() {
	p.stdout.drain()
	p.stderr.drain()
	p.in.close()
	closeAll(p.stdout.f, p.stderr.f)
	p.mu.Lock()
	p.err = p.reason(p.group.Wait())
	p.mu.Unlock()
	close(p.done)
	close(p.replies)
}

// reason says why the process ended; nil when it was closed and had finished
// what it was sent. It is called with mu held.
func (p *Process) reason(exit error) error {
	if p.closing && exit == nil && len(p.pending) == 0 && p.broken == nil {
		return nil
	}
	e := &processor.Error{Code: processor.CodeProcess, Detail: p.tail.String(), Err: p.broken}
	select {
	case <-p.kill:
		e.Message = "the process was killed by the engine"
	default:
		e.Message = "the process ended: " + Exit(exit)
	}
	if len(p.pending) > 0 {
		e.Message += fmt.Sprintf(" while it ran %s (call %s)", p.pending[0].function, p.pending[0].id)
	}
	return e
}

// Exit describes the end of a program in words, as exec.Cmd.Wait returned it.
func Exit(err error) string {
	var exit *exec.ExitError
	if err == nil {
		return "exit status 0"
	}
	if !errors.As(err, &exit) {
		return err.Error()
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		s := fmt.Sprintf("signal %d (%s)", int(status.Signal()), status.Signal())
		if status.Signal() == syscall.SIGKILL {
			s += ", by a person, or by the system for want of memory"
		}
		return s
	}
	return fmt.Sprintf("exit status %d", exit.ExitCode())
}

func (p *Process) lastLines() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tail.String()
}
