package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

// code is the module of the graph; %q is the path of the ledger.
const code = `"""Functions that note in a ledger that they ran."""
import os
import signal
import time

import flow

ledger = os.open(%q, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def pad(n):
    return ("%%d " %% n) * (200 * 1024 // (len(str(n)) + 1))


def note(function, n):
    c = flow.call()
    text = "%%s %%d %%s %%d %%d %%d\n" %% (function, n, c.id, c.attempt, os.getpid(), time.time_ns() // 1000)
    os.write(ledger, text.encode())


def start(x):
    note("start", x["n"])
    if x.get("do") == "fail":
        raise ValueError("as told")
    if x.get("do") == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if x.get("large"):
        x["pad"] = pad(x["n"])
    if x.get("lasts"):
        time.sleep(x["lasts"])
    return x


def left(x):
    if x["n"] %% 13 == 0 and flow.call().attempt == 1:
        raise RuntimeError("the first attempt fails")
    note("left", x["n"])
    return x


def right(x):
    note("right", x["n"])
    return x


def both(a, b):
    note("both", a["n"])
    if a != b:
        raise ValueError("values of two runs met: of %%s and %%s" %% (a["n"], b["n"]))
    return a


def sink(x):
    if x.get("large") and x.get("pad") != pad(x["n"]):
        raise ValueError("the large value of %%d is not whole" %% x["n"])
    note("sink", x["n"])


def failed(e):
    note("failed", e["args"][0]["n"])
`

// names of the objects of the graph.
const (
	queueName     = "chaos"
	processorName = "ledger"
	moduleName    = "ledger"
	edgeName      = "right-both" // the plug with a queue of its own
)

// repository makes the git repository of the graph's module.
func repository(dir, ledger string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, moduleName+".py"), fmt.Appendf(nil, code, ledger), 0o600); err != nil {
		return err
	}
	r, err := git.PlainInit(dir, false)
	if err != nil {
		return fmt.Errorf("make the repository: %w", err)
	}
	tree, err := r.Worktree()
	if err != nil {
		return fmt.Errorf("make the repository: %w", err)
	}
	if err := tree.AddGlob("."); err != nil {
		return fmt.Errorf("make the repository: %w", err)
	}
	_, err = tree.Commit("functions that note that they ran", &git.CommitOptions{
		Author: &object.Signature{Name: "chaos", Email: "chaos@example.org", When: time.Now()},
	})
	if err != nil {
		return fmt.Errorf("make the repository: %w", err)
	}
	return nil
}

// declare makes the objects of the graph.
func declare(ctx context.Context, c *client.Client, repo string, concurrency int) error {
	if _, err := c.Queues().Create(ctx, model.Queue{Object: model.Object{Name: queueName}, Type: model.Direct}); err != nil {
		return err
	}
	if _, err := c.CreateProcessor(ctx, client.ProcessorInput{Name: processorName, GitRepo: repo, Module: moduleName, Concurrency: concurrency}); err != nil {
		return err
	}
	for _, task := range []string{"start", "left", "right", "both", "sink", "failed"} {
		s := model.Socket{Object: model.Object{Name: task}, Processor: processorName, Queue: queueName, Task: task, Join: model.JoinRun}
		if task == "left" {
			s.MaxAttempts, s.BackoffMS, s.BackoffMaxMS = 4, 50, 200
		}
		if task == "failed" {
			s.MaxRunning = concurrency // so many never wait for each other, but for places that are not given back
		}
		if _, err := c.Sockets().Create(ctx, s); err != nil {
			return err
		}
	}
	for _, p := range []model.Plug{
		{Object: model.Object{Name: "start-left"}, Source: "start", Target: "left"},
		{Object: model.Object{Name: "start-right"}, Source: "start", Target: "right"},
		{Object: model.Object{Name: "left-both"}, Source: "left", Target: "both", Argument: "a"},
		{Object: model.Object{Name: edgeName}, Source: "right", Target: "both", Argument: "b", Queue: queueName},
		{Object: model.Object{Name: "both-sink"}, Source: "both", Target: "sink"},
		{Object: model.Object{Name: "start-failed"}, Source: "start", Target: "failed", Type: model.PlugError},
	} {
		if p.Type == "" {
			p.Type = model.PlugResult
		}
		if _, err := c.Plugs().Create(ctx, p); err != nil {
			return err
		}
	}
	return nil
}
