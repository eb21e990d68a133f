package model

import (
	"fmt"
	"strings"
)

// Status is what is observed of a processor, worker, deployment or agent.
type Status string

// The observed states.
const (
	StatusReady    Status = "ready"    // declared, nothing runs yet
	StatusStarting Status = "starting" // being prepared or started
	StatusRunning  Status = "running"  // its process answers
	StatusBackoff  Status = "backoff"  // it died and waits to be started again
	StatusFailed   Status = "failed"   // it cannot run; the message says why
	StatusStopping Status = "stopping" // it takes no more calls and finishes what it runs
	StatusStopped  Status = "stopped"  // a person stopped it
	StatusDown     Status = "down"     // its agent has not been heard of
)

// The runtimes a processor can ask for.
const (
	RuntimePython = "python"
	RuntimeShell  = "shell"
)

// Processor is code: a git repository at a branch, tag or commit, a module in
// it and the runtime that hosts it.
type Processor struct {
	Object
	// GitRepo is the repository's URL or path, without credentials.
	GitRepo string `json:"gitrepo"`
	// Ref is what the user asked for: a branch, tag or commit; empty is the
	// repository's default branch.
	Ref string `json:"ref,omitempty"`
	// RefKind says what Ref is: "branch", "tag", "commit" or empty.
	RefKind string `json:"ref_kind,omitempty"`
	// Commit is the full hash Ref was resolved to. Workers run this one.
	Commit string `json:"commit"`
	// Module names the code: a Python module ("pyfi.processors.sample"), or the
	// folder of a shell processor's executable files.
	Module string `json:"module"`
	// ModulePath is the folder of the repository that modules are found in; empty is its root.
	ModulePath string `json:"modulepath,omitempty"`
	Runtime    string `json:"runtime"`
	// Interpreter is the program that runs the code, where the runtime has one (python: "python3").
	Interpreter string `json:"interpreter,omitempty"`
	// Hostname pins the processor to one node; empty lets the scheduler choose.
	Hostname string `json:"hostname,omitempty"`
	// Concurrency is how many workers (CPUs) are wanted in all.
	Concurrency int `json:"concurrency"`
	// Limit bounds how fast the runs of all its sockets together begin, over all workers.
	Limit
	// Wanted is the wish of a person: running or stopped.
	Wanted Status `json:"wanted"`
	// Generation grows with every wish; workers of an older one are replaced.
	Generation int64 `json:"generation"`
	// Status and Message are observed, never written by a person.
	Status  Status `json:"status"`
	Message string `json:"message,omitempty"`
	// Observed is the generation that Status speaks of.
	Observed int64 `json:"observed_generation"`
}

// Check tells what is wrong with the processor, or returns nil.
func (p Processor) Check() error {
	if err := CheckName("processor", p.Name); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(p.GitRepo) == "":
		return fmt.Errorf("processor %s needs a git repository: give its URL or path", p.Name)
	case strings.TrimSpace(p.Module) == "":
		return fmt.Errorf("processor %s needs a module: name the one in its repository", p.Name)
	case p.Concurrency < 1:
		return fmt.Errorf("processor %s: concurrency %d: at least 1 worker is needed; stop the processor to have none", p.Name, p.Concurrency)
	case p.Concurrency > 1024:
		return fmt.Errorf("processor %s: concurrency %d: at most 1024 workers are possible", p.Name, p.Concurrency)
	}
	switch p.Runtime {
	case RuntimePython, RuntimeShell:
	default:
		return fmt.Errorf("processor %s: runtime %q is unknown: use python or shell", p.Name, p.Runtime)
	}
	return p.Limit.check("processor " + p.Name)
}
