package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/elasticcode/flow/client"
)

// scripts is the folder of the functions that are shell scripts.
const scripts = "scripts"

// repo makes the repository of the functions, once.
func (b *bench) repo() (string, error) {
	dir := filepath.Join(b.dir, "repo")
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	var code strings.Builder
	code.WriteString("import time\n\n\ndef noop(x):\n    pass\n\n\ndef pair(a, b):\n    return None\n\n\ndef nap(x):\n    time.sleep(0.005)\n")
	for i := range chainLength {
		fmt.Fprintf(&code, "\n\ndef step%02d(x):\n    return x\n", i)
	}
	r, err := git.PlainInit(dir, false)
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(filepath.Join(dir, scripts), 0o755); err != nil {
		return "", err
	}
	tree, err := r.Worktree()
	if err != nil {
		return "", err
	}
	for path, text := range map[string]string{"bench_functions.py": code.String(), filepath.Join(scripts, "noop"): "#!/bin/sh\n"} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o755); err != nil { // scripts have to be executable
			return "", err
		}
		if _, err := tree.Add(path); err != nil {
			return "", err
		}
	}
	_, err = tree.Commit("functions for the benchmark", &git.CommitOptions{
		Author: &object.Signature{Name: "bench", Email: "bench@localhost", When: time.Now()},
	})
	return dir, err
}

// pythonFunctions is the processor of the functions in Python.
func pythonFunctions() client.ProcessorInput {
	return client.ProcessorInput{Module: "bench_functions", Interpreter: interpreter()}
}

// interpreter is what runs the Python functions; empty leaves it to Flow.
func interpreter() string { return cmp.Or(os.Getenv("BENCH_PYTHON"), "") }
