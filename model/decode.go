package model

import (
	"encoding/json"
)

// DecodeEnvelope reads a call from the wire, as encoding/json does. The values
// share the memory of data.
func DecodeEnvelope(data []byte) (Envelope, error) {
	p := parser{b: data}
	e := p.envelope()
	if p.end() {
		return e, nil
	}
	e = Envelope{}
	err := json.Unmarshal(data, &e)
	return e, err
}

func (p *parser) envelope() (e Envelope) {
	p.need('{')
	for first := true; p.more(&first, '}'); {
		switch string(p.key()) {
		case "id":
			e.ID = p.text("")
		case "tracking":
			e.Tracking = p.text(e.ID)
		case "parents":
			e.Parents = p.texts()
		case "network":
			e.Network = p.text(DefaultNetwork)
		case "socket":
			e.Socket = p.text("")
		case "args":
			e.Args = p.values()
		case "kwargs":
			e.Kwargs = p.named()
		case "refs":
			p.rare(&e.Refs)
		case "argument":
			e.Argument = p.text("")
		case "priority":
			e.Priority = Priority(p.text(""))
		case "plug":
			e.Plug = p.text("")
		case "attempt":
			e.Attempt = p.number()
		case "crashes":
			e.Crashes = p.number()
		case "before":
			e.Before = p.number()
		case "deadline":
			e.Deadline = p.time()
		case "due":
			e.Due = p.time()
		case "origin":
			e.Origin = p.text("")
		case "created":
			e.Created = p.moment()
		default:
			p.fail()
		}
	}
	return e
}

// DecodeRecord reads a record, as encoding/json does. The values share the
// memory of data.
func DecodeRecord(data []byte) (Record, error) {
	p := parser{b: data}
	r := p.record()
	if p.end() {
		return r, nil
	}
	r = Record{}
	err := json.Unmarshal(data, &r)
	return r, err
}

func (p *parser) record() (r Record) {
	p.need('{')
	for first := true; p.more(&first, '}'); {
		if string(p.key()) != "calls" {
			p.fail()
			break
		}
		p.need('[')
		r.Calls = make([]Call, 0, 1+len(p.b)/512)
		before := &Call{}
		for first := true; p.more(&first, ']'); {
			r.Calls = append(r.Calls, p.call(before))
			before = &r.Calls[len(r.Calls)-1]
		}
	}
	return r
}

// QueuedCalls returns the ids of the calls of a record that tells nothing but that
// calls were queued and have not begun. Whatever else a record tells, or is, ok is
// false. It reads no more than it needs.
func QueuedCalls(data []byte) (ids []string, ok bool) {
	p := parser{b: data}
	p.need('{')
	if string(p.key()) != "calls" {
		return nil, false
	}
	p.need('[')
	ids = make([]string, 0, 1+len(data)/512)
	for first := true; p.more(&first, ']'); {
		id, queued := p.head()
		if !queued {
			return nil, false
		}
		ids = append(ids, id)
	}
	p.need('}')
	return ids, p.end() && len(ids) > 0
}

// head reads of one call its id, and whether it is queued and has not begun.
func (p *parser) head() (id string, queued bool) {
	p.need('{')
	for first := true; p.more(&first, '}'); {
		switch string(p.key()) {
		case "id":
			id = p.text("")
		case "state":
			if queued = string(p.plain()) == string(Queued); !queued {
				return id, false
			}
		case "attempt":
			if p.number() > 0 {
				return id, false
			}
		default:
			p.skip(0)
		}
	}
	return id, queued && id != ""
}

// call reads one call; before is the one that was read before.
func (p *parser) call(before *Call) (c Call) {
	p.need('{')
	for first := true; p.more(&first, '}'); {
		switch string(p.key()) {
		case "id":
			c.ID = p.text("")
		case "tracking":
			c.Tracking = p.text(c.ID)
		case "parents":
			c.Parents = p.texts()
		case "network":
			c.Network = p.text(before.Network)
		case "socket":
			c.Socket = p.text(before.Socket)
		case "queue":
			c.Queue = p.text(before.Queue)
		case "processor":
			c.Processor = p.text(before.Processor)
		case "module":
			c.Module = p.text(before.Module)
		case "task":
			c.Task = p.text(before.Task)
		case "commit":
			c.Commit = p.text(before.Commit)
		case "plug":
			c.Plug = p.text(before.Plug)
		case "argument":
			c.Argument = p.text(before.Argument)
		case "joined":
			c.Joined = p.text("")
		case "state":
			c.State = State(p.text(string(before.State)))
		case "priority":
			c.Priority = Priority(p.text(string(before.Priority)))
		case "attempt":
			c.Attempt = p.number()
		case "args":
			c.Args = p.values()
		case "kwargs":
			c.Kwargs = p.named()
		case "refs":
			p.rare(&c.Refs)
		case "result":
			c.Result = p.raw()
		case "failure":
			p.rare(&c.Failure)
		case "origin":
			c.Origin = p.text(before.Origin)
		case "node":
			c.Node = p.text(before.Node)
		case "worker":
			c.Worker = p.text(before.Worker)
		case "created":
			c.Created = p.moment()
		case "received":
			c.Received = p.time()
		case "started":
			c.Started = p.time()
		case "finished":
			c.Finished = p.time()
		case "deadline":
			c.Deadline = p.time()
		case "log":
			p.rare(&c.Log)
		case "events":
			p.rare(&c.Events)
		default:
			p.fail()
		}
	}
	return c
}
