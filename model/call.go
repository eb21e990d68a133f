package model

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// State is where a call is in its life; the picture is in the package comment.
type State string

// The states of a call.
const (
	Queued    State = "queued"
	Waiting   State = "waiting"
	Running   State = "running"
	Retrying  State = "retrying"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Cancelled State = "cancelled"
	Expired   State = "expired"
	Dead      State = "dead"
)

// States lists all states in the order of a call's life.
func States() []State {
	return []State{Queued, Waiting, Running, Retrying, Succeeded, Failed, Cancelled, Expired, Dead}
}

// Terminal tells whether a call in this state has ended. A dead call has ended
// too, until a person redrives it.
func (s State) Terminal() bool {
	return slices.Contains([]State{Succeeded, Failed, Cancelled, Expired, Dead}, s)
}

// Valid tells whether s is one of the states.
func (s State) Valid() bool { return slices.Contains(States(), s) }

// Failure is why a call did not succeed. It is also the value an ERROR plug
// carries, together with the call and its arguments.
type Failure struct {
	Error   string `json:"error"` // the type of the error, for example "ValueError"
	Message string `json:"message"`
	Trace   string `json:"trace,omitempty"`
	// Permanent says that another attempt would fail in the same way.
	Permanent bool `json:"permanent,omitempty"`
	// RetryAfterMS is when the code itself asked to be tried again, in milliseconds.
	RetryAfterMS int64 `json:"retry_after_ms,omitempty"`
}

// The types of failures that the engine itself gives.
const (
	FailureCrash     = "ProcessCrashed"   // the process that ran the call died
	FailureTimeout   = "Timeout"          // the run took longer than the socket allows
	FailureResult    = "ResultNotJSON"    // the function returned what is not a JSON value
	FailureTooLarge  = "PayloadTooLarge"  // the result is over the limit
	FailureNoTask    = "FunctionNotFound" // the module has no such function
	FailureDeadline  = "DeadlineExceeded" // it was still queued at its deadline
	FailureCancelled = "Cancelled"        // a person, or the end of its queue, withdrew it
)

// LogLine is a line that the code printed while it ran a call.
type LogLine struct {
	Time   time.Time `json:"time"`
	Stream string    `json:"stream"` // stdout or stderr
	Text   string    `json:"text"`
}

// The names of events that the engine itself reads again; the others are for people.
const (
	EventRetry    = "retry"    // an attempt ended, and another one will be made
	EventDue      = "due"      // when that is, which may be in the future
	EventRedriven = "redriven" // a person had the call run again
)

// Event is one step in the life of a call.
type Event struct {
	Name string    `json:"name"` // received, prerun, postrun, forwarded, retry, …
	Time time.Time `json:"time"`
	Note string    `json:"note,omitempty"`
}

// Call is one request to run a socket, as it is recorded.
type Call struct {
	ID       string   `json:"id"`
	Tracking string   `json:"tracking"` // the run: shared by all calls that descend from one submission
	Parents  []string `json:"parents"`  // the calls whose outputs are its inputs
	Network  string   `json:"network"`
	Socket   string   `json:"socket"`
	Queue    string   `json:"queue,omitempty"`
	// Processor, Module, Task and Commit say which code ran it.
	Processor string `json:"processor,omitempty"`
	Module    string `json:"module,omitempty"`
	Task      string `json:"task,omitempty"`
	Commit    string `json:"commit,omitempty"`
	Plug      string `json:"plug,omitempty"`     // the plug that made it
	Argument  string `json:"argument,omitempty"` // the one argument of a join that it delivers
	Joined    string `json:"joined,omitempty"`   // the call that a delivered argument became part of
	State     State  `json:"state"`
	// Priority is its class; empty: normal.
	Priority Priority `json:"priority,omitempty"`
	// Attempt counts the runs of the code, from 1; 0 before the first.
	Attempt int                        `json:"attempt"`
	Args    []json.RawMessage          `json:"args,omitempty"`
	Kwargs  map[string]json.RawMessage `json:"kwargs,omitempty"`
	Result  json.RawMessage            `json:"result,omitempty"`
	// Refs are the large values of Args, Kwargs and Result, where there is null.
	Refs     []Ref      `json:"refs,omitempty"`
	Failure  *Failure   `json:"failure,omitempty"`
	Origin   string     `json:"origin,omitempty"` // the user who submitted the run
	Node     string     `json:"node,omitempty"`
	Worker   string     `json:"worker,omitempty"`
	Created  time.Time  `json:"created"`
	Received *time.Time `json:"received,omitempty"` // when a worker got it last
	Started  *time.Time `json:"started"`
	Finished *time.Time `json:"finished"`
	Deadline *time.Time `json:"deadline,omitempty"`
	// Log is what the code printed. Whole lines beyond MaxLogBytes are dropped, and the last line says so.
	Log    []LogLine `json:"log,omitempty"`
	Events []Event   `json:"events,omitempty"`
}

// Timeline is the call's events with those that follow from the record itself:
// when a worker received it last, and when its last run began and ended. These
// are not kept as events, which would be most of what is written of a call.
func (c Call) Timeline() []Event {
	out, task := slices.Clone(c.Events), c.Module+"."+c.Task
	add := func(name, note string, t *time.Time) {
		if t != nil && !slices.ContainsFunc(out, func(e Event) bool { return e.Name == name && e.Time.Equal(*t) }) {
			out = append(out, Event{Name: name, Time: *t, Note: note + " task " + task})
		}
	}
	if c.Received != nil {
		add("received", "Received", c.Received)
	}
	if c.Started != nil && c.Task != "" {
		add("prerun", "Prerun for", c.Started)
		if c.State != Cancelled {
			add("postrun", "Postrun for", c.Finished)
		}
	}
	slices.SortStableFunc(out, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return out
}

// Open returns the call with the values, by hash, in the places of their
// references. A reference whose value is not there stays one.
func (c Call) Open(values map[string]json.RawMessage) Call {
	c.Args, c.Kwargs = slices.Clone(c.Args), maps.Clone(c.Kwargs)
	p := Places{
		Lists: map[string][]json.RawMessage{"args": c.Args},
		Maps:  map[string]map[string]json.RawMessage{"kwargs": c.Kwargs},
		Ones:  map[string]*json.RawMessage{"result": &c.Result},
	}
	c.Refs = p.Fill(c.Refs, values)
	return c
}

// ResultPlace is where references have the result of a call.
const ResultPlace = "/result"

// InputRefs are the references among the arguments: those that go with the call
// when it is sent again.
func (c Call) InputRefs() []Ref {
	return slices.DeleteFunc(slices.Clone(c.Refs), func(r Ref) bool { return r.At == ResultPlace })
}

// MaxLogBytes is how much of what a call prints is kept with it.
const MaxLogBytes = 64 << 10

// Duration is how long the run of the code took; 0 when it has not ended.
func (c Call) Duration() time.Duration {
	if c.Started == nil || c.Finished == nil {
		return 0
	}
	return c.Finished.Sub(*c.Started)
}
