package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/source"
)

// Prepare checks a processor's code out and builds what it needs to run. All of
// that stays on this machine until the program is closed.
func Prepare(ctx context.Context, s sources, runtimes map[string]processor.Runtime, cacheDir string, as model.Assignment) (processor.Program, error) {
	p := as.Processor
	runtime, ok := runtimes[p.Runtime]
	if !ok {
		return nil, &processor.Error{Code: processor.CodeInterpreter, Permanent: true, Message: fmt.Sprintf("this agent has no runtime %q", p.Runtime)}
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute) // a first installation may take long
	defer cancel()
	dir, release, err := s.Checkout(ctx, p.GitRepo, p.Commit, source.Credentials(as.Credentials))
	if err != nil {
		return nil, err
	}
	program, err := runtime.Prepare(ctx, processor.Spec{
		Dir: dir, Commit: p.Commit, Module: p.Module, ModulePath: p.ModulePath, Interpreter: p.Interpreter, CacheDir: cacheDir,
	})
	if err != nil {
		release()
		return nil, err
	}
	return &prepared{Program: program, release: release}, nil
}

// prepared is a program with its checkout.
type prepared struct {
	processor.Program
	release func() // of the checkout
}

// Close lets both be removed.
func (p *prepared) Close() {
	p.Program.Close()
	p.release()
}
