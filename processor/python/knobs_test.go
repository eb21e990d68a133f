package python_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/processor/processortest"
	"github.com/elasticcode/flow/processor/python"
)

func TestMain(m *testing.M) {
	_ = os.Setenv(processortest.Secret, "engine's")
	goleak.VerifyTestMain(m)
}

const knobs = `
import os, signal, subprocess, sys, time
import flow

def echo(*args, **kwargs):
    """Returns what it is given."""
    return {"args": args, "kwargs": kwargs}

def nap(seconds):
    time.sleep(seconds)

def fail(message):
    raise ValueError(message)

def leave(status):
    sys.exit(status)

def crash():
    os.kill(os.getpid(), signal.SIGKILL)

def say(lines, width):
    for _ in range(lines):
        print("x" * width)

def big(n):
    return "x" * n

def choose(name, value, plugs={}):
    plugs[name] = value

def context():
    call = flow.call()
    return {"id": call.id, "tracking": call.tracking, "socket": call.socket, "attempt": call.attempt}

def variable(name):
    return os.environ.get(name)

def spawn():
    return subprocess.Popen(["sleep", "300"]).pid

def daemon():
    return subprocess.Popen(["sleep", "300"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid

def linger(file):
    pid = daemon()
    with open(file, "w") as f:
        print(pid, file=f)
    time.sleep(300)
`

func TestRuntime(t *testing.T) {
	t.Parallel()
	processortest.Run(t, processortest.Suite{
		Runtime: python.New(python.Config{Logger: testenv.Logger(t)}),
		Files:   map[string]string{"pkg/__init__.py": "", "pkg/knobs.py": knobs, "pkg/broken.py": "import there_is_no_such_package\n"},
		Module:  "pkg.knobs", Broken: "pkg.broken",
		FailError: "ValueError", LeaveError: "SystemExit", OneProcess: true,
	})
}
