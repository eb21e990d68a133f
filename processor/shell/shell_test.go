package shell_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/processortest"
	"github.com/elasticcode/flow/processor/shell"
)

func start(t *testing.T, files map[string]string) (processor.Program, processor.Process) {
	t.Helper()
	program, err := shell.New(shell.Config{}).Prepare(t.Context(), processor.Spec{Dir: processortest.Checkout(t, files), Module: "tools.bin"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := program.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		for range p.Replies() { // until it has ended
		}
	})
	return program, p
}

func call(t *testing.T, p processor.Process, function string, kwargs map[string]json.RawMessage, args ...string) processor.Reply {
	t.Helper()
	inv := processor.Invocation{ID: "1", Function: function, Kwargs: kwargs}
	for _, a := range args {
		inv.Args = append(inv.Args, json.RawMessage(a))
	}
	if err := p.Send(inv); err != nil {
		t.Fatal(err)
	}
	return <-p.Replies()
}

func TestWordsAndResults(t *testing.T) {
	t.Parallel()
	program, p := start(t, map[string]string{
		"tools/bin/words.sh":  "#!/bin/sh\n# Prints its words.\n#\n# One a line.\nfor w in \"$@\"; do echo \"[$w]\"; done\n",
		"tools/bin/print.sh":  "#!/bin/sh\nprintf '%b' \"$1\"\n",
		"tools/bin/plugs":     "#!/bin/sh\necho 'no json' > \"$FLOW_PLUGS_FILE\"\n",
		"tools/bin/leaves":    "#!/bin/sh\nsleep 300 &\necho done\n",
		"tools/bin/noprogram": "#!/there/is/none\n",
		"tools/bin/data.json": "{}",
		"tools/bin/where":     "#!/bin/sh\nls tools/bin/data.json\n",
	})
	tasks, err := program.Describe(t.Context())
	if err != nil || len(tasks) != 6 || tasks[5].Doc != "Prints its words.\n\nOne a line." {
		t.Errorf("described: %+v %v", tasks, err)
	}
	kwargs := map[string]json.RawMessage{"b": json.RawMessage(`[1,"x"]`), "a": json.RawMessage(`"y z"`)}
	if r := call(t, p, "words", kwargs, `"one two"`, `3`, `{"a":"<"}`, `""`); string(r.Value) != `"[one two]\n[3]\n[{\"a\":\"<\"}]\n[]\n[--a=y z]\n[--b=[1,\"x\"]]"` {
		t.Errorf("words: %s %+v", r.Value, r.Failure)
	}
	for out, want := range map[string]string{
		``: `null`, `\n\n`: `null`, `42\n`: `42`, `"x"`: `"x"`, `hello\nyou\n\n`: `"hello\nyou"`, ` [1, 2] \n`: `[1, 2]`, `{not json`: `"{not json"`, `a < b`: `"a < b"`,
	} {
		arg, _ := json.Marshal(out)
		if r := call(t, p, "print", nil, string(arg)); string(r.Value) != want {
			t.Errorf("output %q became %s, want %s (%+v)", out, r.Value, want, r.Failure)
		}
	}
	if r := call(t, p, "plugs", nil); r.Failure == nil || !strings.Contains(r.Failure.Message, "line 1 of FLOW_PLUGS_FILE") {
		t.Errorf("plugs: %+v", r)
	}
	if r := call(t, p, "noprogram", nil); r.Failure == nil || !strings.Contains(r.Failure.Message, "first line") {
		t.Errorf("noprogram: %+v", r.Failure)
	}
	if r := call(t, p, "where", nil); r.Failure != nil {
		t.Errorf("the working directory is not the checkout: %+v", r.Failure)
	}
	started := time.Now()
	if r := call(t, p, "leaves", nil); string(r.Value) != `"done"` || time.Since(started) > 20*time.Second {
		t.Errorf("leaves: %s after %v", r.Value, time.Since(started))
	}
	long, _ := json.Marshal(strings.Repeat("x", 200_000))
	for _, arg := range []string{string(long), `"a\u0000b"`} {
		if r := call(t, p, "words", nil, arg); r.Failure != nil || len(r.Log) != 1 || !strings.Contains(r.Log[0].Text, "only on standard input") {
			t.Errorf("arguments that cannot be words: %+v", r)
		}
	}
}

func TestFoldersThatAreNoModules(t *testing.T) {
	t.Parallel()
	files := map[string]string{"two/a.sh": "#!/bin/sh\n", "two/a.py": "#!/bin/sh\n", "plain/a.sh": "echo\n", "file": "#!/bin/sh\n", "none/.keep": ""}
	for module, want := range map[string]string{
		"two": "two files for function a", "plain": "chmod=+x", "file": "no folder", "none": "no files", "../x": "leaves the repository", "nothing": "no folder",
	} {
		_, err := shell.New(shell.Config{}).Prepare(t.Context(), processor.Spec{Dir: processortest.Checkout(t, files), Module: module})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", module, err, want)
		}
	}
}
