package python

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/procgroup"
)

// installer makes one virtual environment and fills it.
type installer struct {
	env     environment
	python  interpreter
	project string // a copy of the project's folder
	log     string // the file that gets the output
	needs   needs
}

// run uses uv when it is there. Without it, pip of the interpreter fills an
// environment that has no pip of its own, which takes a tenth of a second to
// make instead of seconds; an interpreter without such a pip gets the long way.
func (i installer) run(ctx context.Context) error {
	if uv, err := exec.LookPath("uv"); err == nil {
		if err := i.command(ctx, uv, "venv", "--quiet", "--python", i.python.path, i.env.dir); err != nil {
			return i.failed(ctx, "uv cannot make a virtual environment", err)
		}
		return i.install(ctx, uv, "pip", "install", "--quiet", "--python", i.env.python())
	}
	if i.foreignPip(ctx) {
		if err := i.command(ctx, i.python.path, "-m", "venv", "--without-pip", i.env.dir); err != nil {
			return i.failed(ctx, "Python cannot make a virtual environment", err)
		}
		return i.install(ctx, i.python.path, append([]string{"-m", "pip", "--python", i.env.python()}, pipInstall...)...)
	}
	if err := i.command(ctx, i.python.path, "-m", "venv", i.env.dir); err != nil {
		return i.failed(ctx, "Python cannot make a virtual environment with pip: install its packages for venv and pip (on Debian python3-venv), or uv", err)
	}
	return i.install(ctx, i.env.python(), append([]string{"-m", "pip"}, pipInstall...)...)
}

var pipInstall = []string{
	"install", "--disable-pip-version-check", "--no-input", "--no-warn-script-location", "--progress-bar", "off",
}

// foreignPip tells whether the interpreter has a pip that can install into
// other environments (22.3 and newer).
func (i installer) foreignPip(ctx context.Context) bool {
	return i.command(ctx, i.python.path, "-m", "pip", "--python", i.python.path, "--version") == nil
}

func (i installer) install(ctx context.Context, program string, args ...string) error {
	if i.needs.requirements != "" {
		args = append(args, "-r", "requirements.txt")
	}
	args = append(args, i.needs.Dependencies...)
	if i.needs.Build {
		args = append(args, ".")
	}
	if err := i.command(ctx, program, args...); err != nil {
		return i.failed(ctx, "cannot install what the code depends on ("+i.needs.describe()+"): read the installer's last lines, and check the names, the versions and the network", err)
	}
	return nil
}

func (i installer) failed(ctx context.Context, what string, err error) error {
	return environmentError(ctx, what, lastLines(i.log), err)
}

// command runs a program to its end, or kills it and all it started with ctx.
func (i installer) command(ctx context.Context, program string, args ...string) error {
	log, err := os.OpenFile(i.log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = i.project, installEnvironment()
	cmd.Stdout, cmd.Stderr = log, log
	group, err := procgroup.Start(cmd)
	if err != nil {
		return &processor.Error{Code: processor.CodeInterpreter, Message: "cannot start " + filepath.Base(program), Err: err}
	}
	stop := context.AfterFunc(ctx, group.Kill)
	defer stop()
	return group.Wait()
}

// installEnvironment adds to the usual variables what installers are configured with.
func installEnvironment() []string {
	env := procgroup.Environment("PYTHONDONTWRITEBYTECODE=1")
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		upper := strings.ToUpper(name)
		if strings.HasPrefix(name, "PIP_") || strings.HasPrefix(name, "UV_") || strings.HasPrefix(name, "XDG_") ||
			strings.HasSuffix(upper, "_PROXY") || name == "REQUESTS_CA_BUNDLE" || name == "CURL_CA_BUNDLE" {
			env = append(env, kv)
		}
	}
	return env
}
