package python_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/python"
	"github.com/elasticcode/flow/processor/shell"
)

// examples is the folder of the example processors.
func examples(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../examples/processors")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestExamples(t *testing.T) {
	t.Parallel()
	runtimes := map[string]processor.Runtime{
		"pyfi.processors.sample": python.New(python.Config{Logger: testenv.Logger(t)}),
		"pyfi.processors.text":   python.New(python.Config{Logger: testenv.Logger(t)}),
		"scripts":                shell.New(shell.Config{Logger: testenv.Logger(t)}),
	}
	for module, calls := range map[string][][]string{ // function, result, arguments
		"pyfi.processors.sample": {
			{"do_this", `"Do this: ['some data']"`, `["some data"]`},
			{"do_something", `"Do something: HI THERE!"`, `"HI THERE!"`},
			{"do_that", `"Do that: 1"`, `1`},
			{"emit_one", `1`}, {"emit_two", `5`}, {"emit_one", `7`, `7`}, {"add_two", `6`, `1`, `5`}, {"emit_add", `6`, `1`},
			{"add_data", `{"count":3,"sum":3}`, `[1,2,"x"]`}, {"slow", `0.01`, `0.01`},
			{"flaky", `"attempt 1 worked: x"`, `"x"`, `0`},
			{"report_error", `"ValueError: no"`, `{"error":"ValueError","message":"no"}`},
		},
		"pyfi.processors.text": {
			{"upper", `"ABC"`, `"abc"`}, {"count_words", `{"a":2,"b":1}`, `"A b, a!"`}, {"split_words", `["a","b"]`, `"a b"`},
			{"top_words", `["a"]`, `{"a":2,"b":1}`, `1`}, {"route", `5`, `"hello"`},
		},
		"scripts": {
			{"hello", `"Hello, world!"`}, {"hello", `"Hello, you!"`, `"you"`}, {"count", `2`, `"a\nb"`}, {"choose", `null`, `4`},
		},
	} {
		t.Run(module, func(t *testing.T) {
			t.Parallel()
			program, err := runtimes[module].Prepare(t.Context(), processor.Spec{Dir: examples(t), Module: module, CacheDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			tasks, err := program.Describe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, task := range tasks {
				if task.Doc == "" {
					t.Errorf("%s has no documentation", task.Name)
				}
			}
			p := startProgram(t, program)
			for _, c := range calls {
				if r := call(t, p, c[0], c[2:]...); string(r.Value) != c[1] {
					t.Errorf("%s: %s %+v, want %s", c[0], r.Value, r.Failure, c[1])
				}
			}
		})
	}
}
