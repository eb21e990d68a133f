package model

import (
	"encoding/json"
	"slices"

	"github.com/elasticcode/flow/model/quickjson"
)

// Record is what the recorder is told: calls as they are now. Each call is whole
// for what is known of it; the recorder keeps the furthest state.
//
// On the wire it is {"common": call, "calls": [call, …]}. What all of the calls say
// alike, as most of them do of their socket and their code, is said once, in common.
type Record struct {
	Calls []Call
}

// AppendRecord appends a record of the first calls to b, of as many as make about
// size bytes but at least of one, and returns how many these are. Common is what
// all calls say alike: see Common.
func AppendRecord(b []byte, calls []Call, common *Call, size int) ([]byte, int, error) {
	start, n := len(b), 0
	b = append(b, `{"common":`...)
	b, err := appendCall(b, common, &Call{})
	b = append(b, `,"calls":[`...)
	for ; err == nil && n < len(calls); n++ {
		before := len(b)
		if n > 0 {
			b = append(b, ',')
		}
		b, err = appendCall(b, &calls[n], common)
		if n > 0 && len(b)-start > size {
			b = b[:before]
			break
		}
	}
	return append(b, "]}"...), n, err
}

// alike are the texts that calls may have in common.
func (c *Call) alike() [11]*string {
	return [...]*string{
		&c.Network, &c.Socket, &c.Queue, &c.Processor, &c.Module, &c.Task, &c.Commit, (*string)(&c.State), &c.Origin, &c.Node, &c.Worker,
	}
}

// Common returns what all of the calls say alike.
func Common(calls []Call) (common Call) {
	if len(calls) == 0 {
		return common
	}
	all := common.alike()
	for i, v := range calls[0].alike() {
		*all[i] = *v
	}
	for c := range calls[1:] {
		for i, v := range calls[1+c].alike() {
			if *all[i] != *v {
				*all[i] = ""
			}
		}
	}
	return common
}

// appendCall appends a call, but for what is in common already.
func appendCall(b []byte, c, common *Call) ([]byte, error) {
	o := quickjson.Begin(b)
	own := func(name, value, common string) {
		if common == "" {
			o.Present(name, value)
		}
	}
	o.Present("id", c.ID)
	o.Present("tracking", c.Tracking)
	if c.Parents != nil {
		o.Texts("parents", c.Parents)
	}
	own("network", c.Network, common.Network)
	own("socket", c.Socket, common.Socket)
	own("queue", c.Queue, common.Queue)
	own("processor", c.Processor, common.Processor)
	own("module", c.Module, common.Module)
	own("task", c.Task, common.Task)
	own("commit", c.Commit, common.Commit)
	o.Present("plug", c.Plug)
	o.Present("argument", c.Argument)
	o.Present("joined", c.Joined)
	own("state", string(c.State), string(common.State))
	o.Present("priority", string(c.Priority))
	o.Count("attempt", c.Attempt)
	o.Values("args", c.Args)
	o.Rare("kwargs", c.Kwargs, len(c.Kwargs) > 0)
	o.Value("result", c.Result)
	o.Rare("refs", c.Refs, len(c.Refs) > 0)
	o.Rare("failure", c.Failure, c.Failure != nil)
	own("origin", c.Origin, common.Origin)
	own("node", c.Node, common.Node)
	own("worker", c.Worker, common.Worker)
	if !c.Created.IsZero() {
		o.Time("created", &c.Created)
	}
	if c.Received != nil {
		o.Time("received", c.Received)
	}
	if c.Started != nil {
		o.Time("started", c.Started)
	}
	if c.Finished != nil {
		o.Time("finished", c.Finished)
	}
	if c.Deadline != nil {
		o.Time("deadline", c.Deadline)
	}
	o.Rare("log", c.Log, len(c.Log) > 0)
	o.List("events", len(c.Events), func(o *quickjson.Object, i int) {
		o.Text("name", c.Events[i].Name)
		o.Time("time", &c.Events[i].Time)
		o.Present("note", c.Events[i].Note)
	})
	return o.End()
}

// DecodeRecord reads a record, as encoding/json does. The values share the
// memory of data.
func DecodeRecord(data []byte) (Record, error) {
	p := quickjson.NewParser(data)
	r := record(&p)
	if p.End() {
		return r, nil
	}
	return slowRecord(data)
}

// slowRecord reads whatever encoding/json understands.
func slowRecord(data []byte) (Record, error) {
	var wire struct {
		Common Call              `json:"common"`
		Calls  []json.RawMessage `json:"calls"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return Record{}, err
	}
	if len(wire.Calls) == 0 {
		return Record{}, nil
	}
	r := Record{Calls: slices.Repeat([]Call{Common([]Call{wire.Common})}, len(wire.Calls))}
	for i, raw := range wire.Calls {
		if err := json.Unmarshal(raw, &r.Calls[i]); err != nil {
			return Record{}, err
		}
	}
	return r, nil
}

func record(p *quickjson.Parser) (r Record) {
	var common Call
	p.Need('{')
	for first := true; p.More(&first, '}'); {
		switch string(p.Key()) {
		case "common":
			if r.Calls != nil { // too late for them
				p.Fail()
			}
			common = Common([]Call{call(p, &Call{}, &common)})
		case "calls":
			p.Need('[')
			r.Calls = make([]Call, 0, 1+p.Len()/300)
			before := &common
			for first := true; p.More(&first, ']'); {
				r.Calls = append(r.Calls, call(p, &common, before))
				before = &r.Calls[len(r.Calls)-1]
			}
		default:
			p.Fail()
		}
	}
	if len(r.Calls) == 0 {
		r.Calls = nil
	}
	return r
}

// QueuedCalls returns the ids of the calls of a record that tells nothing but that
// calls were queued and have not begun. Whatever else a record tells, or is, ok is
// false. It reads no more than it needs.
func QueuedCalls(data []byte) (ids []string, ok bool) {
	p := quickjson.NewParser(data)
	p.Need('{')
	if string(p.Key()) != "common" {
		return nil, false
	}
	if _, queued := head(&p, false); !queued {
		return nil, false
	}
	if p.Need(','); string(p.Key()) != "calls" {
		return nil, false
	}
	p.Need('[')
	ids = make([]string, 0, 1+p.Len()/256)
	for first := true; p.More(&first, ']'); {
		id, queued := head(&p, true)
		if !queued || id == "" {
			return nil, false
		}
		ids = append(ids, id)
	}
	p.Need('}')
	return ids, p.End() && len(ids) > 0
}

// head reads of one call its id, and whether it is queued and has not begun, which
// is so already if it does not say.
func head(p *quickjson.Parser, already bool) (id string, queued bool) {
	queued = already
	p.Need('{')
	for first := true; p.More(&first, '}'); {
		switch string(p.Key()) {
		case "id":
			id = p.Text("")
		case "state":
			if queued = string(p.Plain()) == string(Queued); !queued {
				return id, false
			}
		case "attempt":
			if p.Number() > 0 {
				return id, false
			}
		default:
			p.Skip()
		}
	}
	return id, queued
}

// call reads one call, which says what it does not have in common. Before is the
// one that was read before: its texts are used again.
func call(p *quickjson.Parser, common, before *Call) (c Call) {
	c = *common
	p.Need('{')
	for first := true; p.More(&first, '}'); {
		switch string(p.Key()) {
		case "id":
			c.ID = p.Text("")
		case "tracking":
			c.Tracking = p.Text(c.ID)
		case "parents":
			c.Parents = p.Texts()
		case "network":
			c.Network = p.Text(before.Network)
		case "socket":
			c.Socket = p.Text(before.Socket)
		case "queue":
			c.Queue = p.Text(before.Queue)
		case "processor":
			c.Processor = p.Text(before.Processor)
		case "module":
			c.Module = p.Text(before.Module)
		case "task":
			c.Task = p.Text(before.Task)
		case "commit":
			c.Commit = p.Text(before.Commit)
		case "plug":
			c.Plug = p.Text(before.Plug)
		case "argument":
			c.Argument = p.Text(before.Argument)
		case "joined":
			c.Joined = p.Text("")
		case "state":
			c.State = State(p.Text(string(before.State)))
		case "priority":
			c.Priority = Priority(p.Text(string(before.Priority)))
		case "attempt":
			c.Attempt = p.Number()
		case "args":
			c.Args = p.Values()
		case "kwargs":
			c.Kwargs = p.Named()
		case "refs":
			p.Rare(&c.Refs)
		case "result":
			c.Result = p.Raw()
		case "failure":
			p.Rare(&c.Failure)
		case "origin":
			c.Origin = p.Text(before.Origin)
		case "node":
			c.Node = p.Text(before.Node)
		case "worker":
			c.Worker = p.Text(before.Worker)
		case "created":
			c.Created = p.Moment()
		case "received":
			c.Received = p.Time()
		case "started":
			c.Started = p.Time()
		case "finished":
			c.Finished = p.Time()
		case "deadline":
			c.Deadline = p.Time()
		case "log":
			p.Rare(&c.Log)
		case "events":
			p.Rare(&c.Events)
		default:
			p.Fail()
		}
	}
	return c
}
