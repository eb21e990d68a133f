package model

import "github.com/elasticcode/flow/model/quickjson"

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
