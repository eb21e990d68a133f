package model

import (
	"fmt"
	"strings"
	"time"
)

// JoinPolicy says which values of a join's arguments meet.
type JoinPolicy string

// The join policies.
const (
	JoinZip    JoinPolicy = "zip"    // the k-th value of each argument meet
	JoinRun    JoinPolicy = "run"    // values of the same run meet
	JoinLatest JoinPolicy = "latest" // a new value meets the newest of the others
)

// DefaultTimeout ends a run that takes longer, where the socket says nothing else.
const DefaultTimeout = 15 * time.Minute

// Socket is an addressable endpoint: a task of a processor behind a queue.
type Socket struct {
	Object
	Processor string `json:"processor"` // name
	Queue     string `json:"queue"`     // name
	Task      string `json:"task"`      // function
	// MaxAttempts is how often a call is run before it is given up; 1 means no retry.
	MaxAttempts int `json:"max_attempts"`
	// BackoffMS is the base of the exponential delay between attempts and
	// BackoffMaxMS its cap, in milliseconds; the delay has full jitter.
	BackoffMS    int64 `json:"backoff_ms"`
	BackoffMaxMS int64 `json:"backoff_max_ms"`
	// TimeoutMS ends a run that takes longer, in milliseconds.
	TimeoutMS int64 `json:"timeout_ms"`
	// Join says which values meet when arguments arrive one by one.
	Join JoinPolicy `json:"join"`
	// Limit bounds how fast its runs begin, over all workers.
	Limit
	// MaxRunning is how many of its calls may run at the same time, over all
	// workers; 0 is no limit.
	MaxRunning int `json:"max_running,omitempty"`
	// QueueTimeoutMS is how long a call may wait in its queue, in milliseconds,
	// before it expires; 0 is no limit.
	QueueTimeoutMS int64 `json:"queue_timeout_ms,omitempty"`
}

// Check tells what is wrong with the socket, or returns nil.
func (s Socket) Check() error {
	if err := CheckName("socket", s.Name); err != nil {
		return err
	}
	switch {
	case s.Processor == "":
		return fmt.Errorf("socket %s needs a processor", s.Name)
	case s.Queue == "":
		return fmt.Errorf("socket %s needs a queue", s.Name)
	case s.Task == "":
		return fmt.Errorf("socket %s needs a task: name a function of the processor's module", s.Name)
	case strings.Contains(s.Task, "!"):
		return fmt.Errorf("socket %s: task %q: a function whose name has a '!' cannot be exposed: queue names need it", s.Name, s.Task)
	case s.MaxAttempts < 1 || s.MaxAttempts > 1000:
		return fmt.Errorf("socket %s: max attempts %d: use 1 to 1000", s.Name, s.MaxAttempts)
	case s.TimeoutMS <= 0:
		return fmt.Errorf("socket %s: a run needs an end: give a timeout above 0", s.Name)
	case s.BackoffMS < 0 || s.BackoffMaxMS < s.BackoffMS:
		return fmt.Errorf("socket %s: backoff must be 0 or more, and its cap no smaller", s.Name)
	case s.MaxRunning < 0 || s.MaxRunning > MaxRunning:
		return fmt.Errorf("socket %s: %d running calls: use 1 to %d, or 0 for no limit", s.Name, s.MaxRunning, MaxRunning)
	case s.QueueTimeoutMS < 0:
		return fmt.Errorf("socket %s: queue timeout %d ms: use 1 or more, or 0 for no limit", s.Name, s.QueueTimeoutMS)
	}
	if err := s.Limit.check("socket " + s.Name); err != nil {
		return err
	}
	switch s.Join {
	case JoinZip, JoinRun, JoinLatest:
	default:
		return fmt.Errorf("socket %s: join policy %q is unknown: use zip, run or latest", s.Name, s.Join)
	}
	return nil
}

// WithDefaults fills what was left out.
func (s Socket) WithDefaults() Socket {
	if s.MaxAttempts == 0 {
		s.MaxAttempts = 1
	}
	if s.BackoffMS == 0 && s.BackoffMaxMS == 0 {
		s.BackoffMS, s.BackoffMaxMS = 1000, 60_000
	}
	if s.TimeoutMS == 0 {
		s.TimeoutMS = DefaultTimeout.Milliseconds()
	}
	if s.Join == "" {
		s.Join = JoinZip
	}
	return s
}

// PlugType says which outcome of the source a plug carries.
type PlugType string

// The types of a plug.
const (
	PlugResult PlugType = "RESULT" // fires when a call succeeded, with its result
	PlugError  PlugType = "ERROR"  // fires when a call failed for good, with the failure
)

// Plug is an edge: the output of the source socket becomes (an argument of) a
// call of the target socket.
type Plug struct {
	Object
	Type   PlugType `json:"type"`
	Source string   `json:"source"` // socket name
	Target string   `json:"target"` // socket name
	// Argument names the argument of the target's function that the output is
	// for; empty makes the output the first argument of a call of its own.
	Argument string `json:"argument,omitempty"`
	// Queue names the queue object whose broker queue the edge has for itself;
	// empty delivers straight to the target's queue.
	Queue string `json:"queue,omitempty"`
}

// Check tells what is wrong with the plug, or returns nil.
func (p Plug) Check() error {
	if err := CheckName("plug", p.Name); err != nil {
		return err
	}
	switch {
	case p.Source == "":
		return fmt.Errorf("plug %s needs a source socket", p.Name)
	case p.Target == "":
		return fmt.Errorf("plug %s needs a target socket", p.Name)
	case p.Type != PlugResult && p.Type != PlugError:
		return fmt.Errorf("plug %s: type %q is unknown: use RESULT or ERROR", p.Name, p.Type)
	}
	return nil
}
