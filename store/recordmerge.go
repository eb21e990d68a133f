package store

import (
	"fmt"
	"strings"

	"github.com/elasticcode/flow/model"
)

// This file says twice how two records of one call become one: in Go for those
// of one batch, and in SQL for what the database has already. The store's
// property test holds them to the same outcome.

// merge returns what is known of a call from an older and a newer record.
func merge(was, is model.Call) model.Call {
	before, after := progress(was.State, was.Attempt), progress(is.State, is.Attempt)
	out, other := was, is
	if after > before || after == before && before < ended {
		out, other = is, was
	}
	// What a call is: the first record that knew it.
	for _, f := range []struct {
		to      *string
		was, is string
	}{
		{&out.Tracking, was.Tracking, is.Tracking}, {&out.Network, was.Network, is.Network},
		{&out.Socket, was.Socket, is.Socket}, {&out.Plug, was.Plug, is.Plug},
		{&out.Argument, was.Argument, is.Argument}, {&out.Origin, was.Origin, is.Origin},
	} {
		*f.to = first(f.was, f.is)
	}
	out.Priority = model.Priority(first(string(was.Priority), string(is.Priority)))
	out.Parents, out.Args, out.Kwargs, out.Deadline = was.Parents, was.Args, was.Kwargs, was.Deadline
	if len(out.Parents) == 0 {
		out.Parents = is.Parents
	}
	if len(out.Args) == 0 {
		out.Args = is.Args
	}
	if len(out.Kwargs) == 0 {
		out.Kwargs = is.Kwargs
	}
	out.Refs = mergeRefs(was.Refs, is.Refs)
	if out.Deadline == nil {
		out.Deadline = is.Deadline
	}
	out.Created = was.Created
	if was.Created.IsZero() || !is.Created.IsZero() && is.Created.Before(was.Created) {
		out.Created = is.Created
	}
	// Who ran it: the record that counts, if it says.
	out.Queue, out.Processor = first(out.Queue, other.Queue), first(out.Processor, other.Processor)
	out.Module, out.Task = first(out.Module, other.Module), first(out.Task, other.Task)
	out.Commit, out.Joined = first(out.Commit, other.Commit), first(out.Joined, other.Joined)
	out.Node, out.Worker = first(out.Node, other.Node), first(out.Worker, other.Worker)
	if out.Received == nil {
		out.Received = other.Received
	}
	if out.Started == nil {
		out.Started = other.Started
	}
	out.Attempt = max(out.Attempt, was.Attempt)
	return out
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// callConflict is merge in SQL; calls is what was, excluded what is.
var callConflict = func() string {
	wins := fmt.Sprintf(`((excluded.progress > calls.progress OR excluded.progress = calls.progress AND calls.progress < %d)
		AND (calls.reopened IS NULL OR excluded.finished IS NULL OR excluded.finished <> calls.reopened))`, ended)
	var set []string
	add := func(format string, columns ...string) {
		for _, c := range columns {
			set = append(set, c+" = "+strings.NewReplacer("WINS", wins, "IS", "excluded."+c, "WAS", "calls."+c).Replace(format))
		}
	}
	add("CASE WHEN WAS = '' THEN IS ELSE WAS END", "tracking", "socket", "plug", "argument", "origin", "priority")
	add("COALESCE(WAS, IS)", "parents", "args", "kwargs", "deadline")
	add("CASE WHEN IS < WAS THEN IS ELSE WAS END", "created")
	add("CASE WHEN WAS = '' OR IS <> '' AND WINS THEN IS ELSE WAS END",
		"queue", "processor", "module", "task", "commit_hash", "joined", "node", "worker")
	add("CASE WHEN WINS THEN COALESCE(IS, WAS) ELSE COALESCE(WAS, IS) END", "received", "started")
	add("CASE WHEN IS > WAS AND WINS THEN IS ELSE WAS END", "attempt")
	add("CASE WHEN WINS THEN IS ELSE WAS END", "state", "progress", "result", "failure", "finished")
	return "ON CONFLICT (id) DO UPDATE SET " + strings.Join(set, ", ")
}()

// logConflict keeps the longer of two logs of one attempt.
const logConflict = `ON CONFLICT (call_id, attempt) DO UPDATE SET lines = excluded.lines
	WHERE length(excluded.lines) > length(call_logs.lines)`
