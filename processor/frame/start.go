package frame

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/procgroup"
)

// DefaultStartTimeout is how long a child may take to load its code. Large
// libraries take tens of seconds to import from a cold disk.
const DefaultStartTimeout = 2 * time.Minute

// Command says how to start a child and what it has to load.
type Command struct {
	// Path is the program and Args are its arguments, without its name.
	Path string
	Args []string
	// Dir is the folder it runs in.
	Dir string
	// Env is its whole environment; see procgroup.Environment.
	Env []string
	// Module is the code to load and SearchPath the folders it is searched in.
	Module     string
	SearchPath []string
	// StartTimeout is how long loading may take; 0 means DefaultStartTimeout.
	StartTimeout time.Duration
	// Logger is required.
	Logger *slog.Logger
}

// Start starts the child and waits until it has loaded its code. ctx bounds the
// start only, not the life of the process.
func Start(ctx context.Context, c Command) (*Process, error) {
	p, err := spawn(c)
	if err != nil {
		return nil, err
	}
	if err := p.handshake(ctx, c); err != nil {
		p.Kill()
		for range p.replies { // there are none; it is closed when the process has ended
		}
		return nil, err
	}
	c.Logger.DebugContext(ctx, "child process ready", "pid", p.PID(), "module", c.Module)
	return p, nil
}

// pipes are the ends of the four pipes to a child.
type pipes struct{ inR, inW, outR, outW, stdoutR, stdoutW, stderrR, stderrW *os.File }

func openPipes() (*pipes, error) {
	var p pipes
	for _, one := range []struct {
		r, w **os.File
		open func() (*os.File, *os.File, error)
	}{
		{&p.inR, &p.inW, os.Pipe}, {&p.outR, &p.outW, blockingPipe},
		{&p.stdoutR, &p.stdoutW, os.Pipe}, {&p.stderrR, &p.stderrW, os.Pipe},
	} {
		var err error
		if *one.r, *one.w, err = one.open(); err != nil {
			closeAll(p.ours()...)
			closeAll(p.theirs()...)
			return nil, err
		}
	}
	return &p, nil
}

func (p *pipes) ours() []*os.File   { return []*os.File{p.inW, p.outR, p.stdoutR, p.stderrR} }
func (p *pipes) theirs() []*os.File { return []*os.File{p.inR, p.outW, p.stdoutW, p.stderrW} }

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// spawn starts the program and the goroutines that serve its pipes.
func spawn(c Command) (*Process, error) {
	pp, err := openPipes()
	if err != nil {
		return nil, &processor.Error{Code: processor.CodeProcess, Message: "cannot start a process", Err: err}
	}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.Stdout, cmd.Stderr = pp.stdoutW, pp.stderrW
	cmd.ExtraFiles = []*os.File{pp.inR, pp.outW}
	if cmd.Env == nil {
		cmd.Env = []string{} // nil would mean all of ours
	}
	p, err := newProcess(pp)
	if err == nil {
		p.group, err = procgroup.Start(cmd)
	}
	closeAll(pp.theirs()...)
	if err != nil {
		if p != nil && p.in != nil {
			p.in.close()
		}
		closeAll(pp.ours()...)
		return nil, startError(c, err)
	}
	p.run()
	return p, nil
}

func startError(c Command, err error) error {
	e := &processor.Error{Code: processor.CodeProcess, Message: fmt.Sprintf("cannot start %s", c.Path), Err: err}
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) || errors.Is(err, exec.ErrNotFound) {
		e.Code, e.Permanent = processor.CodeInterpreter, true
	}
	return e
}

// handshake has the child load its code.
func (p *Process) handshake(ctx context.Context, c Command) error {
	timeout := c.StartTimeout
	if timeout <= 0 {
		timeout = DefaultStartTimeout
	}
	answer, err := p.ask(ctx, timeout, load{
		Type: typeLoad, Protocol: Protocol, Module: c.Module, Path: c.SearchPath, MaxPayload: model.MaxPayload,
	})
	switch {
	case errors.Is(err, errNoAnswer):
		return &processor.Error{
			Code: processor.CodeProcess,
			Message: fmt.Sprintf("module %s did not load within %s: look at what it does while it is imported",
				c.Module, timeout),
			Detail: p.lastLines(),
		}
	case err != nil:
		return err
	case answer.Type != typeReady || answer.Protocol != Protocol:
		return &processor.Error{
			Code:    processor.CodeProcess,
			Message: fmt.Sprintf("the child process speaks another protocol: %q, version %d", answer.Type, answer.Protocol),
		}
	}
	return nil
}
