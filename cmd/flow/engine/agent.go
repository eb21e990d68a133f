package engine

import (
	"log/slog"
	"path/filepath"
	"time"

	"github.com/elasticcode/flow/agent"
	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/python"
	"github.com/elasticcode/flow/processor/shell"
	"github.com/elasticcode/flow/processor/source"
	"github.com/elasticcode/flow/stack"
)

// AgentConfig is what an agent is assembled from.
type AgentConfig struct {
	Node   string
	CPUs   int
	Stack  *stack.Stack
	API    *client.Client
	Dir    string // data directory
	Logger *slog.Logger
	// KeepResults is for how long workers leave results in the backend; a day if 0.
	KeepResults KeepResults
}

// Agent assembles an agent.
func Agent(cfg AgentConfig) (*agent.Agent, error) {
	relaxGC()
	sources, err := source.New(source.Config{Dir: filepath.Join(cfg.Dir, "sources"), Logger: cfg.Logger})
	if err != nil {
		return nil, err
	}
	return agent.New(agent.Config{
		Node: cfg.Node, CPUs: cfg.CPUs, Version: factory.Version().Version, API: cfg.API, Sources: sources, Runtimes: Runtimes(cfg.Logger),
		Broker: cfg.Stack.Broker, Results: cfg.Stack.Results, Events: cfg.Stack.Events, CacheDir: filepath.Join(cfg.Dir, "cache"), Logger: cfg.Logger,
		KeepResults: time.Duration(cfg.KeepResults), Fault: faults(),
	})
}

// Runtimes are the ways to run code that this program has.
func Runtimes(log *slog.Logger) map[string]processor.Runtime {
	return map[string]processor.Runtime{
		model.RuntimePython: python.New(python.Config{Logger: log}),
		model.RuntimeShell:  shell.New(shell.Config{Logger: log}),
	}
}
