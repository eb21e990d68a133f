// Package processor is what code is and how it runs: the contract of runtimes,
// which turn a checkout of a git repository into a live child process that
// answers calls.
//
// A Runtime prepares a checkout once (a Python virtual environment, say); the
// Program it returns can describe its functions and start processes; a Process
// answers invocations in the order they were sent, one at a time, and takes the
// next ones while it works on the first.
package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/elasticcode/flow/model"
)

// Spec says which code to run and how.
type Spec struct {
	// Dir is a checkout of the commit; a runtime never writes to it.
	Dir    string
	Commit string
	// Module and ModulePath name the code inside Dir; see model.Processor.
	Module     string
	ModulePath string
	// Interpreter is the program that runs the code, where the runtime has one.
	Interpreter string
	// CacheDir is where the runtime may keep what it builds; it is shared by
	// workers and by processes.
	CacheDir string
}

// Runtime prepares code of one kind.
type Runtime interface {
	// Prepare builds what the code needs. It is safe to call at the same time
	// for the same Spec, also from several processes; the work is done once.
	Prepare(ctx context.Context, s Spec) (Program, error)
}

// Program is prepared code.
type Program interface {
	// Describe returns the functions of the module. A module that does not
	// import is an *Error of code CodeModule with the traceback in Detail.
	Describe(ctx context.Context) ([]model.Task, error)
	// Start starts a process that has the module loaded.
	Start(ctx context.Context) (Process, error)
	// Close says that no process of the code runs or will be started: what the
	// program holds of the cache may be removed. It may be called again.
	Close()
}

// Process is a live child process, the leader of a process group of its own.
type Process interface {
	// Send hands over invocations; their replies come in the same order. It
	// does not wait for replies. It fails when the process has ended.
	Send(invs ...Invocation) error
	// Replies is closed when the process has ended; Err says why then.
	Replies() <-chan Reply
	// Err is why the process ended: nil after Close, else a description with
	// the exit status and the last lines it printed.
	Err() error
	// PID is the process id of the group's leader.
	PID() int
	// Close lets it finish what was sent and ends it; when ctx ends first, it kills.
	Close(ctx context.Context) error
	// Kill ends the whole process group at once. What has left it ends before Replies
	// is closed, where the system lets it be found.
	Kill()
}

// Interrupted is a Process that can tell what it was at when it ended.
type Interrupted interface {
	// Interrupted returns the id of the invocation that was running and what it
	// had printed; an empty id when none was, or before Replies is closed.
	Interrupted() (id string, log []model.LogLine)
}

// Invocation is one call of a function.
type Invocation struct {
	ID       string                     `json:"id"` // of the call
	Function string                     `json:"function"`
	Args     []json.RawMessage          `json:"args,omitempty"`
	Kwargs   map[string]json.RawMessage `json:"kwargs,omitempty"`
	Tracking string                     `json:"tracking,omitempty"`
	Socket   string                     `json:"socket,omitempty"`
	Attempt  int                        `json:"attempt,omitempty"`
}

// Reply is what became of an invocation.
type Reply struct {
	ID      string          `json:"id"`
	Value   json.RawMessage `json:"value,omitempty"` // null when the function returned nothing
	Failure *model.Failure  `json:"failure,omitempty"`
	// Plugs are the values that the function chose plugs for, by plug name.
	Plugs map[string]json.RawMessage `json:"plugs,omitempty"`
	Log   []model.LogLine            `json:"log,omitempty"`
	// Started and Finished bound the run of the function itself.
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
}

// Code is what kind of mistake keeps code from running.
type Code string

// The codes of an Error.
const (
	CodeSource      Code = "source"      // the repository, branch or commit cannot be had
	CodeEnvironment Code = "environment" // what the code depends on cannot be installed
	CodeInterpreter Code = "interpreter" // the program that runs the code is missing
	CodeModule      Code = "module"      // the module is missing or does not import
	CodeProcess     Code = "process"     // the process does not start or answer
)

// Error is why code cannot run, in words for the person who wrote it.
type Error struct {
	Code    Code
	Message string
	Detail  string // traceback or output, may be long
	// Permanent says that trying again without a change is useless.
	Permanent bool
	Err       error
}

// Error returns the message without the detail.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Message, e.Err)
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent tells whether trying again without a change is useless.
func Permanent(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Permanent
}
