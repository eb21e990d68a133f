package store

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/elasticcode/flow/model"
)

// text makes a column from each item, and so do the functions after it.
func text[T any](name string, items []T, of func(T) string) Column {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = of(item)
	}
	return Column{Name: name, Text: out}
}

func documents[T any](name string, items []T, of func(T) document) Column {
	c := text(name, items, func(item T) string { return string(of(item)) })
	c.Null = true
	return c
}

func times[T any](name string, items []T, of func(T) *time.Time) Column {
	out, kept := make([]*time.Time, len(items)), make([]time.Time, len(items))
	for i, item := range items {
		if t := of(item); t != nil {
			kept[i] = stamp(*t).kept()
			out[i] = &kept[i]
		}
	}
	return Column{Name: name, Time: out}
}

func numbers[T any](name string, items []T, of func(T) int64) Column {
	out := make([]int64, len(items))
	for i, item := range items {
		out[i] = of(item)
	}
	return Column{Name: name, Int: out}
}

type call = *model.Call

// callBatch is the rows of the table calls.
func callBatch(calls []call) Batch {
	present, recorded := present, now()
	return Batch{Table: "calls", Rows: len(calls), Columns: []Column{
		text("id", calls, func(c call) string { return c.ID }),
		text("tracking", calls, func(c call) string { return c.Tracking }),
		text("network", calls, func(c call) string { return network(c.Network) }),
		text("socket", calls, func(c call) string { return c.Socket }),
		text("queue", calls, func(c call) string { return clean(c.Queue) }),
		text("processor", calls, func(c call) string { return clean(c.Processor) }),
		text("module", calls, func(c call) string { return clean(c.Module) }),
		text("task", calls, func(c call) string { return clean(c.Task) }),
		text("commit_hash", calls, func(c call) string { return clean(c.Commit) }),
		text("plug", calls, func(c call) string { return clean(c.Plug) }),
		text("argument", calls, func(c call) string { return clean(c.Argument) }),
		text("joined", calls, func(c call) string { return clean(c.Joined) }),
		text("state", calls, func(c call) string { return string(c.State) }),
		text("priority", calls, func(c call) string { return clean(string(c.Priority.Brief())) }),
		numbers("attempt", calls, func(c call) int64 { return int64(c.Attempt) }),
		numbers("progress", calls, func(c call) int64 { return progress(c.State, c.Attempt) }),
		documents("parents", calls, func(c call) document { return encodeList(c.Parents) }),
		documents("args", calls, func(c call) document { return encodeValues(c.Args) }),
		documents("kwargs", calls, func(c call) document {
			if len(c.Kwargs) == 0 {
				return nil
			}
			return present([]byte(encode(c.Kwargs)))
		}),
		documents("result", calls, func(c call) document {
			if !c.State.Terminal() {
				return nil
			}
			return present(c.Result)
		}),
		documents("failure", calls, func(c call) document {
			if c.Failure == nil {
				return nil
			}
			return present([]byte(encode(c.Failure)))
		}),
		text("origin", calls, func(c call) string { return clean(c.Origin) }),
		text("node", calls, func(c call) string { return clean(c.Node) }),
		text("worker", calls, func(c call) string { return clean(c.Worker) }),
		times("created", calls, func(c call) *time.Time {
			if c.Created.IsZero() {
				return &recorded
			}
			return &c.Created
		}),
		times("received", calls, func(c call) *time.Time { return c.Received }),
		times("started", calls, func(c call) *time.Time { return c.Started }),
		times("finished", calls, func(c call) *time.Time {
			if !c.State.Terminal() {
				return nil
			}
			return c.Finished
		}),
		times("deadline", calls, func(c call) *time.Time { return c.Deadline }),
	}}
}

func encodeList[T any](items []T) document {
	if len(items) == 0 {
		return nil
	}
	return document(clean(string(encode(items))))
}

// encodeValues makes one array of values, which are JSON already.
func encodeValues(values []json.RawMessage) document {
	if len(values) == 0 {
		return nil
	}
	out := []byte{'['}
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		if v == nil {
			v = json.RawMessage("null")
		}
		out = append(out, v...)
	}
	return present(append(out, ']'))
}

// parentBatch is the rows of the table call_parents.
func parentBatch(calls []call) Batch {
	var pairs []parentRow
	for _, c := range calls {
		for _, p := range c.Parents {
			pairs = append(pairs, parentRow{Parent: p, Child: c.ID})
		}
	}
	slices.SortFunc(pairs, func(a, b parentRow) int {
		return cmp.Or(cmp.Compare(a.Parent, b.Parent), cmp.Compare(a.Child, b.Child))
	})
	pairs = slices.Compact(pairs)
	return Batch{Table: "call_parents", Rows: len(pairs), Columns: []Column{
		text("parent", pairs, func(p parentRow) string { return p.Parent }),
		text("child", pairs, func(p parentRow) string { return p.Child }),
	}}
}

// logBatch is the rows of the table call_logs.
func logBatch(logs map[logKey]document) Batch {
	keys := slices.SortedFunc(maps.Keys(logs), func(a, b logKey) int {
		return cmp.Or(cmp.Compare(a.call, b.call), cmp.Compare(a.attempt, b.attempt))
	})
	return Batch{Table: "call_logs", Rows: len(keys), Columns: []Column{
		text("call_id", keys, func(k logKey) string { return k.call }),
		numbers("attempt", keys, func(k logKey) int64 { return int64(k.attempt) }),
		documents("lines", keys, func(k logKey) document { return logs[k] }),
	}}
}

// eventBatch is the rows of the table events.
func eventBatch(events map[eventKey]string) Batch {
	keys := slices.SortedFunc(maps.Keys(events), func(a, b eventKey) int {
		return cmp.Or(cmp.Compare(a.call, b.call), cmp.Compare(a.name, b.name), a.time.Compare(b.time))
	})
	return Batch{Table: "events", Rows: len(keys), Columns: []Column{
		text("call_id", keys, func(k eventKey) string { return k.call }),
		text("name", keys, func(k eventKey) string { return k.name }),
		times("time", keys, func(k eventKey) *time.Time { return &k.time }),
		text("note", keys, func(k eventKey) string { return events[k] }),
	}}
}
