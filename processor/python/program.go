package python

import (
	"context"
	"path/filepath"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/frame"
	"github.com/elasticcode/flow/processor/procgroup"
)

// program is prepared Python code.
type program struct {
	spec    processor.Spec
	host    string // folder of host.py
	python  string // interpreter
	path    []string
	site    bool // the interpreter's environment has packages to see
	pycache string
	config  Config
	release func() // of the environment
}

// Close lets the environment be removed.
func (p *program) Close() { p.release() }

// Describe starts a process only to ask it.
func (p *program) Describe(ctx context.Context) ([]model.Task, error) {
	child, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		child.Kill()
		for range child.Replies() { // none come; it is closed when the process has ended
		}
	}()
	tasks, err := child.Describe(ctx)
	for i := range tasks {
		tasks[i].Commit = p.spec.Commit
	}
	return tasks, err
}

// Start starts a process that has the module loaded.
func (p *program) Start(ctx context.Context) (processor.Process, error) {
	child, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	return child, nil
}

func (p *program) start(ctx context.Context) (*frame.Process, error) {
	// Isolated: no PYTHON* variables, no folder of the user, not even the
	// current one. Without site, which takes three times as long as all else,
	// nothing of the system's packages is seen either.
	args := []string{"-I", "-X", "utf8", "-X", "faulthandler", "-X", "pycache_prefix=" + p.pycache}
	if !p.site {
		args = append(args, "-S")
	}
	return frame.Start(ctx, frame.Command{
		Path: p.python, Args: append(args, filepath.Join(p.host, "host.py")),
		Dir: p.spec.Dir, Env: procgroup.Environment(),
		Module: p.spec.Module, SearchPath: p.path,
		StartTimeout: p.config.StartTimeout, Logger: p.config.Logger,
	})
}
