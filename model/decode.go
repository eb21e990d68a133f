package model

import (
	"encoding/json"
	"slices"

	"github.com/elasticcode/flow/model/quickjson"
)

// DecodeEnvelope reads a call from the wire, as encoding/json does. The values
// share the memory of data.
func DecodeEnvelope(data []byte) (Envelope, error) {
	p := quickjson.NewParser(data)
	e := envelope(&p)
	if p.End() {
		return e, nil
	}
	e = Envelope{}
	err := json.Unmarshal(data, &e)
	return e, err
}

func envelope(p *quickjson.Parser) (e Envelope) {
	p.Need('{')
	for first := true; p.More(&first, '}'); {
		switch string(p.Key()) {
		case "id":
			e.ID = p.Text("")
		case "tracking":
			e.Tracking = p.Text(e.ID)
		case "parents":
			e.Parents = p.Texts()
		case "network":
			e.Network = p.Text(DefaultNetwork)
		case "socket":
			e.Socket = p.Text("")
		case "args":
			e.Args = p.Values()
		case "kwargs":
			e.Kwargs = p.Named()
		case "refs":
			p.Rare(&e.Refs)
		case "argument":
			e.Argument = p.Text("")
		case "priority":
			e.Priority = Priority(p.Text(""))
		case "plug":
			e.Plug = p.Text("")
		case "attempt":
			e.Attempt = p.Number()
		case "crashes":
			e.Crashes = p.Number()
		case "before":
			e.Before = p.Number()
		case "deadline":
			e.Deadline = p.Time()
		case "due":
			e.Due = p.Time()
		case "origin":
			e.Origin = p.Text("")
		case "created":
			e.Created = p.Moment()
		default:
			p.Fail()
		}
	}
	return e
}

// DecodeRecord reads a record, as encoding/json does. The values share the
// memory of data.
func DecodeRecord(data []byte) (Record, error) {
	calls, err := AppendCalls(nil, data)
	return Record{Calls: calls}, err
}

// AppendCalls appends the calls of a record, as DecodeRecord reads it, to others. It
// appends none if there is an error.
func AppendCalls(to []Call, data []byte) ([]Call, error) {
	p := quickjson.NewParser(data)
	all := record(&p, to)
	if p.End() {
		return all, nil
	}
	r, err := slowRecord(data)
	return append(to, r.Calls...), err
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

func record(p *quickjson.Parser, to []Call) []Call {
	var common Call
	begun := false
	p.Need('{')
	for first := true; p.More(&first, '}'); {
		switch string(p.Key()) {
		case "common":
			if begun { // too late for them
				p.Fail()
			}
			common = Common([]Call{call(p, &Call{}, &common)})
		case "calls":
			if begun { // only the last ones count
				p.Fail()
			}
			if begun = true; to == nil {
				to = make([]Call, 0, 1+p.Len()/300)
			}
			p.Need('[')
			before := &common
			for first := true; p.More(&first, ']'); {
				to = append(to, call(p, &common, before))
				before = &to[len(to)-1]
			}
		default:
			p.Fail()
		}
	}
	if len(to) == 0 {
		return nil
	}
	return to
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
		case "events": // who tells the end does not know them
			return id, false
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
