package model

import (
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
	start, n, most := len(b), 0, 0
	for i := range calls {
		if most += calls[i].size() + around; most > size {
			break
		}
	}
	b = append(slices.Grow(b, most), `{"common":`...)
	b, err := appendCall(b, common, &Call{})
	b = append(b, `,"calls":[`...)
	for ; err == nil && n < len(calls); n++ {
		before := len(b)
		if n > 0 && before-start+calls[n].size() > size {
			break // written in vain
		}
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

// size is how many bytes the values of the call have, but for those kept aside.
func (c *Call) size() int { return len(c.Result) + sizeOf(c.Args, c.Kwargs) }

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
	o.Named("kwargs", c.Kwargs)
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
