package python

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/procgroup"
)

// interpreter is a Python that was asked what it is.
type interpreter struct {
	path    string // of the program itself, not of a shim in front of it
	version string // with the implementation: "cpython 3.11.7"
	inVenv  bool   // it belongs to a virtual environment
}

// probe also runs on very old versions, which then say which they are.
const probe = `import json, sys
v = sys.version_info
print(json.dumps([sys.executable, v[0], v[1], "%s %d.%d.%d" % (getattr(getattr(sys, "implementation", None), "name", "python"), v[0], v[1], v[2])]))`

// probeTimeout bounds the probe: a Python starts in well under a second.
const probeTimeout = 20 * time.Second

// interpreters remembers what was found out, until the program changes.
type interpreters struct {
	mu    sync.Mutex // guards known
	known map[string]interpreter
}

func (c *interpreters) find(ctx context.Context, name string) (interpreter, error) {
	path, err := lookPath(name)
	if err != nil {
		return interpreter{}, err
	}
	key := path
	if info, err := os.Stat(path); err == nil {
		key += info.ModTime().String()
	}
	c.mu.Lock()
	found, ok := c.known[key]
	c.mu.Unlock()
	if ok {
		return found, nil
	}
	found, err = ask(ctx, name, path)
	if err != nil {
		return interpreter{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[string]interpreter{}
	}
	c.known[key] = found
	return found, nil
}

func lookPath(name string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) && !filepath.IsAbs(name) {
		return "", badInterpreter("Python interpreter %q is a relative path: give its name or its absolute path", name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", badInterpreter("there is no Python interpreter %q on this node: install it, or name another one", name)
	}
	return path, nil
}

func badInterpreter(format string, args ...any) *processor.Error {
	return &processor.Error{Code: processor.CodeInterpreter, Message: fmt.Sprintf(format, args...), Permanent: true}
}

func ask(ctx context.Context, name, path string) (interpreter, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-S", "-E", "-c", probe)
	cmd.Env = procgroup.Environment()
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return interpreter{}, fmt.Errorf("ask Python interpreter %s for its version: %w", name, ctx.Err())
	}
	if err != nil {
		e := badInterpreter("%s does not run as a Python interpreter: name another one", path)
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			e.Detail = string(exit.Stderr)
		}
		e.Err = err
		return interpreter{}, e
	}
	var answer [4]any
	if err := json.Unmarshal(out, &answer); err != nil {
		return interpreter{}, badInterpreter("%s is not a Python interpreter: name another one", path)
	}
	executable, _ := answer[0].(string)
	major, _ := answer[1].(float64)
	minor, _ := answer[2].(float64)
	version, _ := answer[3].(string)
	if major != 3 || minor < 8 {
		return interpreter{}, badInterpreter("%s is %s: Python 3.8 or newer is needed", path, version)
	}
	if executable == "" {
		executable = path
	}
	_, err = os.Stat(filepath.Join(filepath.Dir(filepath.Dir(executable)), "pyvenv.cfg"))
	return interpreter{path: executable, version: version, inVenv: err == nil}, nil
}
