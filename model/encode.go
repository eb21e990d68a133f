package model

import "github.com/elasticcode/flow/model/quickjson"

// AppendJSON appends the call as encoding/json writes it, at a fraction of the
// cost: every call is written at least twice on its way into the history.
func (c *Call) AppendJSON(b []byte) ([]byte, error) {
	o := quickjson.Begin(b)
	o.Text("id", c.ID)
	o.Text("tracking", c.Tracking)
	o.Texts("parents", c.Parents)
	o.Text("network", c.Network)
	o.Text("socket", c.Socket)
	o.Present("queue", c.Queue)
	o.Present("processor", c.Processor)
	o.Present("module", c.Module)
	o.Present("task", c.Task)
	o.Present("commit", c.Commit)
	o.Present("plug", c.Plug)
	o.Present("argument", c.Argument)
	o.Present("joined", c.Joined)
	o.Text("state", string(c.State))
	o.Present("priority", string(c.Priority))
	o.Number("attempt", c.Attempt)
	o.Values("args", c.Args)
	o.Rare("kwargs", c.Kwargs, len(c.Kwargs) > 0)
	o.Value("result", c.Result)
	o.Rare("refs", c.Refs, len(c.Refs) > 0)
	o.Rare("failure", c.Failure, c.Failure != nil)
	o.Present("origin", c.Origin)
	o.Present("node", c.Node)
	o.Present("worker", c.Worker)
	o.Time("created", &c.Created)
	if c.Received != nil {
		o.Time("received", c.Received)
	}
	o.Time("started", c.Started)
	o.Time("finished", c.Finished)
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

// AppendJSON appends the envelope as encoding/json writes it.
func (e *Envelope) AppendJSON(b []byte) ([]byte, error) {
	o := quickjson.Begin(b)
	o.Text("id", e.ID)
	o.Text("tracking", e.Tracking)
	if len(e.Parents) > 0 {
		o.Texts("parents", e.Parents)
	}
	o.Present("network", e.Network)
	o.Present("socket", e.Socket)
	o.Values("args", e.Args)
	o.Rare("kwargs", e.Kwargs, len(e.Kwargs) > 0)
	o.Rare("refs", e.Refs, len(e.Refs) > 0)
	o.Present("argument", e.Argument)
	o.Present("priority", string(e.Priority))
	o.Present("plug", e.Plug)
	o.Count("attempt", e.Attempt)
	o.Count("crashes", e.Crashes)
	o.Count("before", e.Before)
	if e.Deadline != nil {
		o.Time("deadline", e.Deadline)
	}
	if e.Due != nil {
		o.Time("due", e.Due)
	}
	o.Present("origin", e.Origin)
	o.Time("created", &e.Created)
	return o.End()
}
