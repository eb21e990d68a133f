package python

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/elasticcode/flow/processor"
)

// DefaultInterpreter is the interpreter of processors that name none.
const DefaultInterpreter = "python3"

// DefaultInstallTimeout is how long the packages of one environment may take to
// be installed.
const DefaultInstallTimeout = 15 * time.Minute

// Config is what a Runtime needs.
type Config struct {
	// Interpreter is used where a Spec names none; empty means DefaultInterpreter.
	Interpreter string
	// InstallTimeout bounds the making of one environment; 0 means DefaultInstallTimeout.
	InstallTimeout time.Duration
	// StartTimeout bounds the import of a module; 0 means frame.DefaultStartTimeout.
	StartTimeout time.Duration
	// Logger says when an environment is made; nil is silence.
	Logger *slog.Logger
}

// Runtime runs Python code.
type Runtime struct {
	config       Config
	interpreters interpreters
}

var _ processor.Runtime = (*Runtime)(nil)

// New returns a Runtime.
func New(c Config) *Runtime {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Interpreter == "" {
		c.Interpreter = DefaultInterpreter
	}
	if c.InstallTimeout <= 0 {
		c.InstallTimeout = DefaultInstallTimeout
	}
	c.Logger = c.Logger.With("component", "python")
	return &Runtime{config: c}
}

// Prepare finds the interpreter and installs what the code depends on.
func (r *Runtime) Prepare(ctx context.Context, s processor.Spec) (processor.Program, error) {
	if err := check(s); err != nil {
		return nil, err
	}
	name := s.Interpreter
	if name == "" {
		name = r.config.Interpreter
	}
	python, err := r.interpreters.find(ctx, name)
	if err != nil {
		return nil, err
	}
	folder, err := sourceFolder(s)
	if err != nil {
		return nil, err
	}
	host, err := installHost(filepath.Join(s.CacheDir, "python"))
	if err != nil {
		return nil, &processor.Error{Code: processor.CodeEnvironment, Message: "cannot write the cache folder " + s.CacheDir, Err: err}
	}
	needs, err := findNeeds(ctx, python, host, s, folder)
	if err != nil {
		return nil, err
	}
	p := &program{
		spec: s, host: host, python: python.path, path: needs.searchPath(folder), config: r.config,
		site: python.inVenv, pycache: pycache(s.CacheDir), release: func() {},
	}
	if needs.nothing() {
		return p, nil
	}
	env, release, err := r.environment(ctx, python, s, needs)
	if err != nil {
		return nil, err
	}
	p.release = release
	p.python, p.site = env.python(), true
	if site := env.compiled(s.Module); site != "" {
		p.path = append([]string{site}, p.path...)
	}
	return p, nil
}

func check(s processor.Spec) error {
	switch {
	case s.CacheDir == "":
		return errors.New("python runtime: a cache folder is required")
	case s.Module == "":
		return &processor.Error{Code: processor.CodeModule, Message: "no module is named: name one of the repository", Permanent: true}
	}
	for part := range strings.SplitSeq(s.Module, ".") {
		if part == "" || strings.ContainsAny(part, `/\`) {
			return &processor.Error{
				Code: processor.CodeModule, Permanent: true,
				Message: fmt.Sprintf("module %q is not the name of a Python module: write it like package.module, and give the folder it is in as module path", s.Module),
			}
		}
	}
	return nil
}

// sourceFolder is the folder that modules are found in.
func sourceFolder(s processor.Spec) (string, error) {
	folder := filepath.Join(s.Dir, filepath.FromSlash(s.ModulePath))
	if !filepath.IsLocal(filepath.FromSlash(s.ModulePath)) && s.ModulePath != "" {
		return "", &processor.Error{
			Code: processor.CodeModule, Permanent: true,
			Message: fmt.Sprintf("module path %q leaves the repository: give a folder inside it", s.ModulePath),
		}
	}
	info, err := os.Stat(folder)
	if err != nil || !info.IsDir() {
		return "", &processor.Error{
			Code: processor.CodeModule, Permanent: true,
			Message: fmt.Sprintf("the repository has no folder %q: correct the module path", s.ModulePath),
		}
	}
	return folder, nil
}

// Files returns the files of a repository, with slashes, of which one has to
// exist for the module to be there: its own file, or that of its package.
func Files(modulePath, module string) []string {
	base := strings.ReplaceAll(module, ".", "/")
	var out []string
	for _, root := range []string{modulePath, filepath.ToSlash(filepath.Join(modulePath, "src"))} {
		prefix := strings.Trim(filepath.ToSlash(filepath.Clean(root)), "/") + "/"
		if prefix == "./" {
			prefix = ""
		}
		out = append(out, prefix+base+".py", prefix+base+"/__init__.py")
	}
	return out
}
