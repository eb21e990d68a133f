package model

import (
	"slices"

	"github.com/elasticcode/flow/model/quickjson"
)

// around is about how many bytes of text a call has besides its values: growing
// on the way copies what is there, again and again.
const around = 480

// AppendJSON appends the envelope as encoding/json reads it.
func (e *Envelope) AppendJSON(b []byte) ([]byte, error) {
	o := quickjson.Begin(slices.Grow(b, sizeOf(e.Args, e.Kwargs)+around))
	o.Text("id", e.ID)
	o.Text("tracking", e.Tracking)
	if len(e.Parents) > 0 {
		o.Texts("parents", e.Parents)
	}
	o.Present("network", e.Network)
	o.Present("socket", e.Socket)
	o.Values("args", e.Args)
	o.Named("kwargs", e.Kwargs)
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
