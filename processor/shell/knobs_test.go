package shell_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/processor/processortest"
	"github.com/elasticcode/flow/processor/shell"
)

func TestMain(m *testing.M) {
	_ = os.Setenv(processortest.Secret, "engine's")
	goleak.VerifyTestMain(m)
}

// daemon starts one and waits until it has left the group.
const daemon = `f=$(mktemp)
setsid sh -c 'echo $$ > "$0"; exec sleep 300' "$f" > /dev/null 2>&1 &
until test -s "$f"; do sleep 0.01; done
cat "$f"
rm "$f"
`

var knobs = map[string]string{
	"scripts/echo.sh":   "#!/bin/sh\n# Returns what it is given.\ncat\n",
	"scripts/nap":       "#!/bin/sh\nsleep \"$1\"\n",
	"scripts/fail.sh":   "#!/bin/sh\necho \"$1\" >&2\nexit 1\n",
	"scripts/leave":     "#!/bin/sh\nexit \"$1\"\n",
	"scripts/crash":     "#!/bin/sh\nkill -9 $$\n",
	"scripts/say":       "#!/bin/sh\nline=$(printf '%*s' \"$2\" '' | tr ' ' x)\nyes \"$line\" | head -n \"$1\" >&2\n",
	"scripts/big":       "#!/bin/sh\nhead -c \"$1\" /dev/zero | tr '\\0' x\n",
	"scripts/choose":    "#!/bin/sh\necho \"$1=$2\" >> \"$FLOW_PLUGS_FILE\"\n",
	"scripts/context":   "#!/bin/sh\nprintf '{\"id\":\"%s\",\"tracking\":\"%s\",\"socket\":\"%s\",\"attempt\":%s}' \"$FLOW_CALL_ID\" \"$FLOW_TRACKING\" \"$FLOW_SOCKET\" \"$FLOW_ATTEMPT\"\n",
	"scripts/variable":  "#!/bin/sh\nprintenv \"$1\" || true\n",
	"scripts/spawn":     "#!/bin/sh\nsleep 300 & echo $!\n",
	"scripts/daemon":    "#!/bin/sh\n" + daemon,
	"scripts/linger":    "#!/bin/sh\nto=$1\n(" + daemon + ") > \"$to\"\nsleep 300\n",
	"scripts/.hidden":   "#!/bin/sh\n",
	"broken/readme.txt": "not executable",
}

func TestRuntime(t *testing.T) {
	t.Parallel()
	processortest.Run(t, processortest.Suite{
		Runtime: shell.New(shell.Config{Logger: testenv.Logger(t)}),
		Files:   knobs, Module: "scripts", Broken: "broken",
		FailError: shell.FailureExit, LeaveError: shell.FailureExit,
	})
}
