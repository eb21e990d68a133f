package model

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// AppendJSON appends the call as encoding/json writes it, at a fraction of the
// cost: every call is written at least twice on its way into the history.
func (c *Call) AppendJSON(b []byte) ([]byte, error) {
	o := object{b: append(b, '{')}
	o.text("id", c.ID)
	o.text("tracking", c.Tracking)
	if o.key("parents"); c.Parents == nil {
		o.b = append(o.b, "null"...)
	} else {
		o.texts(c.Parents)
	}
	o.text("network", c.Network)
	o.text("socket", c.Socket)
	o.present("queue", c.Queue)
	o.present("processor", c.Processor)
	o.present("module", c.Module)
	o.present("task", c.Task)
	o.present("commit", c.Commit)
	o.present("plug", c.Plug)
	o.present("argument", c.Argument)
	o.present("joined", c.Joined)
	o.text("state", string(c.State))
	o.present("priority", string(c.Priority))
	o.key("attempt")
	o.b = strconv.AppendInt(o.b, int64(c.Attempt), 10)
	o.values("args", c.Args)
	o.rare("kwargs", c.Kwargs, len(c.Kwargs) > 0)
	if len(c.Result) > 0 {
		o.key("result")
		o.value(c.Result)
	}
	o.rare("refs", c.Refs, len(c.Refs) > 0)
	o.rare("failure", c.Failure, c.Failure != nil)
	o.present("origin", c.Origin)
	o.present("node", c.Node)
	o.present("worker", c.Worker)
	o.key("created")
	o.time(&c.Created)
	if c.Received != nil {
		o.key("received")
		o.time(c.Received)
	}
	o.key("started")
	o.time(c.Started)
	o.key("finished")
	o.time(c.Finished)
	if c.Deadline != nil {
		o.key("deadline")
		o.time(c.Deadline)
	}
	o.rare("log", c.Log, len(c.Log) > 0)
	o.events(c.Events)
	return append(o.b, '}'), o.err
}

// AppendJSON appends the envelope as encoding/json writes it.
func (e *Envelope) AppendJSON(b []byte) ([]byte, error) {
	o := object{b: append(b, '{')}
	o.text("id", e.ID)
	o.text("tracking", e.Tracking)
	if len(e.Parents) > 0 {
		o.key("parents")
		o.texts(e.Parents)
	}
	o.present("network", e.Network)
	o.present("socket", e.Socket)
	o.values("args", e.Args)
	o.rare("kwargs", e.Kwargs, len(e.Kwargs) > 0)
	o.rare("refs", e.Refs, len(e.Refs) > 0)
	o.present("argument", e.Argument)
	o.present("priority", string(e.Priority))
	o.present("plug", e.Plug)
	o.count("attempt", e.Attempt)
	o.count("crashes", e.Crashes)
	o.count("before", e.Before)
	if e.Deadline != nil {
		o.key("deadline")
		o.time(e.Deadline)
	}
	if e.Due != nil {
		o.key("due")
		o.time(e.Due)
	}
	o.present("origin", e.Origin)
	o.key("created")
	o.time(&e.Created)
	return append(o.b, '}'), o.err
}

// object writes the members of a JSON object, the opening brace before them.
type object struct {
	b   []byte
	err error
}

func (o *object) key(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(append(append(o.b, '"'), name...), `":`...)
}

func (o *object) text(name, value string) {
	o.key(name)
	o.b = AppendText(o.b, value)
}

func (o *object) present(name, value string) {
	if value != "" {
		o.text(name, value)
	}
}

// count writes a number that is left out when it is 0.
func (o *object) count(name string, n int) {
	if n != 0 {
		o.key(name)
		o.b = strconv.AppendInt(o.b, int64(n), 10)
	}
}

func (o *object) texts(values []string) {
	o.b = append(o.b, '[')
	for i, v := range values {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = AppendText(o.b, v)
	}
	o.b = append(o.b, ']')
}

func (o *object) values(name string, values []json.RawMessage) {
	if len(values) == 0 {
		return
	}
	o.key(name)
	o.b = append(o.b, '[')
	for i, v := range values {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.value(v)
	}
	o.b = append(o.b, ']')
}

// value takes a value as it is, once it is sure that it is one.
func (o *object) value(v json.RawMessage) {
	switch {
	case v == nil:
		o.b = append(o.b, "null"...)
	case valid(v):
		o.b = append(o.b, v...)
	default:
		o.err = fmt.Errorf("%.40q is not a JSON value", v)
	}
}

// valid tells what json.Valid does, sooner.
func valid(v []byte) bool {
	p := parser{b: v}
	p.skip(0)
	return p.end() || json.Valid(v)
}

// rare leaves what most calls do not have to encoding/json.
func (o *object) rare(name string, v any, present bool) {
	if !present {
		return
	}
	data, err := json.Marshal(v)
	if err != nil {
		o.err = err
		return
	}
	o.key(name)
	o.b = append(o.b, data...)
}

func (o *object) time(t *time.Time) {
	if t == nil {
		o.b = append(o.b, "null"...)
		return
	}
	o.b = AppendTime(o.b, *t)
}

func (o *object) events(events []Event) {
	if len(events) == 0 {
		return
	}
	o.key("events")
	o.b = append(o.b, '[')
	for i := range events {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = append(o.b, '{')
		o.text("name", events[i].Name)
		o.key("time")
		o.time(&events[i].Time)
		o.present("note", events[i].Note)
		o.b = append(o.b, '}')
	}
	o.b = append(o.b, ']')
}

// AppendText appends a JSON string. Plain text, as names and ids are, is copied.
func AppendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			data, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...) // a string has no reason to fail
			}
			return append(b, data...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// AppendTime appends a time as JSON has it.
func AppendTime(b []byte, t time.Time) []byte {
	b = t.AppendFormat(append(b, '"'), time.RFC3339Nano)
	return append(b, '"')
}
