package store

import (
	"encoding/json"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/elasticcode/flow/model"
)

type callRow struct {
	ID         string `gorm:"primaryKey;index:idx_calls_created,priority:3;index:idx_calls_socket,priority:4"`
	Tracking   string `gorm:"not null;index:idx_calls_tracking"`
	Network    string `gorm:"not null;index:idx_calls_created,priority:1;index:idx_calls_socket,priority:1"`
	Socket     string `gorm:"not null;index:idx_calls_socket,priority:2"`
	Queue      string `gorm:"not null"`
	Processor  string `gorm:"not null"`
	Module     string `gorm:"not null"`
	Task       string `gorm:"not null"`
	CommitHash string `gorm:"not null"`
	Plug       string `gorm:"not null"`
	Argument   string `gorm:"not null"`
	Joined     string `gorm:"not null"`
	State      string `gorm:"not null"`
	Priority   string `gorm:"not null"` // empty: normal
	Attempt    int    `gorm:"not null"`
	// Progress orders what is known of a call: see progress.
	Progress int64 `gorm:"not null"`
	Parents  document
	Args     document
	Kwargs   document
	Result   document
	Failure  document
	Origin   string `gorm:"not null"`
	Node     string `gorm:"not null"`
	Worker   string `gorm:"not null"`
	Created  stamp  `gorm:"not null;index:idx_calls_created,priority:2;index:idx_calls_socket,priority:3"`
	Received *stamp
	Started  *stamp
	Finished *stamp
	Deadline *stamp
	// Reopened is when the end that Reopen undid was reached: a repeated record
	// of that end is old news.
	Reopened *stamp
}

// TableName implements gorm's Tabler.
func (callRow) TableName() string { return "calls" }

// parentRow says that a call's input came from a parent's output; it is the way
// down the tree, calls.parents is the way up.
type parentRow struct {
	Parent string `gorm:"primaryKey"`
	Child  string `gorm:"primaryKey"`
}

// TableName implements gorm's Tabler.
func (parentRow) TableName() string { return "call_parents" }

// logRow is what the code printed during one attempt.
type logRow struct {
	CallID  string   `gorm:"primaryKey"`
	Attempt int      `gorm:"primaryKey;autoIncrement:false"`
	Lines   document `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (logRow) TableName() string { return "call_logs" }

// eventRow is one step in the life of a call.
type eventRow struct {
	CallID string `gorm:"primaryKey"`
	Name   string `gorm:"primaryKey"`
	Time   stamp  `gorm:"primaryKey"`
	Note   string `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (eventRow) TableName() string { return "events" }

// ended is the progress of a call that has ended.
const ended = math.MaxInt32

// perAttempt is by how much progress grows with each attempt.
const perAttempt = 10

// progress tells how far a call has come: attempts first, then the state. All
// ends are equal, so that the first one stays.
func progress(state model.State, attempt int) int64 {
	const most = ended/perAttempt - 1 // attempts; who claims more has come no further
	if state.Terminal() {
		return ended
	}
	step := 0
	switch state {
	case model.Running:
		step = 1
	case model.Retrying:
		step = 2
	}
	return int64(min(max(attempt, 0), most)*perAttempt + step)
}

func (r callRow) call() (model.Call, error) {
	c := model.Call{
		ID: r.ID, Tracking: r.Tracking, Network: r.Network, Socket: r.Socket, Queue: r.Queue,
		Processor: r.Processor, Module: r.Module, Task: r.Task, Commit: r.CommitHash,
		Plug: r.Plug, Argument: r.Argument, Joined: r.Joined, State: model.State(r.State), Priority: model.Priority(r.Priority), Attempt: r.Attempt,
		Result: json.RawMessage(r.Result), Origin: r.Origin, Node: r.Node, Worker: r.Worker,
		Created: r.Created.time(), Received: timeOf(r.Received), Started: timeOf(r.Started), Finished: timeOf(r.Finished), Deadline: timeOf(r.Deadline),
		Parents: []string{},
	}
	for _, part := range []struct {
		from document
		to   any
	}{{r.Parents, &c.Parents}, {r.Args, &c.Args}, {r.Kwargs, &c.Kwargs}, {r.Failure, &c.Failure}} {
		if err := decode(part.from, part.to); err != nil {
			return c, err
		}
	}
	return c, nil
}

// size is about how many bytes of memory the row holds on to.
func (r callRow) size() int {
	return len(r.Args) + len(r.Kwargs) + len(r.Result) + len(r.Failure) + len(r.Parents) + 1024
}

// clean makes text that any database takes: valid UTF-8 without zero characters.
func clean(text string) string {
	if utf8.ValidString(text) && !strings.ContainsRune(text, 0) {
		return text
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// present returns a JSON value as a document, nil for an absent one.
func present(v json.RawMessage) document {
	if len(v) == 0 {
		return nil
	}
	return document(clean(string(v)))
}
