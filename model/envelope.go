package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// MaxPayload is how many bytes the values of one call may have together, and so
// the largest value. It is also the largest body of a call that another client
// sends with its values inside: RabbitMQ 4 refuses messages above 16 MiB.
const MaxPayload = 8 << 20

// ContentType is the content type of an envelope on the wire.
const ContentType = "application/vnd.flow.call+json"

// Envelope is a call on the wire. docs/protocol.md shows it to the authors of
// other clients.
type Envelope struct {
	ID       string   `json:"id"`
	Tracking string   `json:"tracking"`
	Parents  []string `json:"parents,omitempty"`
	Network  string   `json:"network,omitempty"` // empty: default
	// Socket is the name of the socket that is called; empty when the call was
	// sent to a function's shared queue and any socket of that function may run it.
	Socket string                     `json:"socket,omitempty"`
	Args   []json.RawMessage          `json:"args,omitempty"`
	Kwargs map[string]json.RawMessage `json:"kwargs,omitempty"`
	// Refs are the values over MaxInline, which do not travel inside.
	Refs []Ref `json:"refs,omitempty"`
	// Argument says that the one value in Args is for this argument of a join.
	Argument string `json:"argument,omitempty"`
	// Priority is the class of the call; the calls that follow have it, too.
	// Empty: normal.
	Priority Priority `json:"priority,omitempty"`
	Plug     string   `json:"plug,omitempty"`    // the plug that made it
	Attempt  int      `json:"attempt,omitempty"` // runs of the code so far
	Crashes  int      `json:"crashes,omitempty"` // runs that ended with the process
	// Before is how many runs of the code there were when a person had the call
	// run again: the attempts that its socket allows are counted from there.
	Before   int        `json:"before,omitempty"`
	Deadline *time.Time `json:"deadline,omitempty"`
	// Due is when another attempt became due, or a person had the call run again;
	// how long it has waited in its queue is counted from there.
	Due     *time.Time `json:"due,omitempty"`
	Origin  string     `json:"origin,omitempty"`
	Created time.Time  `json:"created"`
}

// Waiting is since when the call has waited in its queue.
func (e Envelope) Waiting() time.Time {
	if e.Due != nil && e.Due.After(e.Created) {
		return *e.Due
	}
	return e.Created
}

// Check tells what is wrong with an envelope that came from outside, or returns nil.
func (e Envelope) Check() error {
	switch {
	case e.ID == "":
		return fmt.Errorf("a call needs an id")
	case e.Tracking == "":
		return fmt.Errorf("call %s needs a tracking id", e.ID)
	case e.Argument != "" && len(e.Args) != 1:
		return fmt.Errorf("call %s is for argument %s and must bring exactly one value, not %d", e.ID, e.Argument, len(e.Args))
	}
	if err := e.Priority.Check(); err != nil {
		return fmt.Errorf("call %s: %w", e.ID, err)
	}
	if len(e.Refs) > 0 {
		return e.checkRefs()
	}
	return nil
}

func (e Envelope) checkRefs() error {
	e.Args, e.Kwargs = slices.Clone(e.Args), maps.Clone(e.Kwargs) // looking into a value rewrites it
	if err := checkRefs(e.Refs, e.places()); err != nil {
		return fmt.Errorf("call %s: %w", e.ID, err)
	}
	return nil
}

func (e Envelope) places() Places {
	return Places{
		Lists: map[string][]json.RawMessage{"args": e.Args},
		Maps:  map[string]map[string]json.RawMessage{"kwargs": e.Kwargs},
	}
}

// Seal returns the envelope with references in the place of large values, and
// those values. They are to be kept before the envelope is sent.
func (e Envelope) Seal() (Envelope, []Blob) {
	var t Taken
	args, mine := e.Args, false
	for i, v := range e.Args {
		if len(v) <= MaxInline {
			continue
		}
		if !mine {
			args, mine = slices.Clone(e.Args), true
		}
		args[i] = t.Take(Pointer("args", strconv.Itoa(i)), v)
	}
	e.Args, e.Kwargs = args, t.TakeAll("/kwargs", e.Kwargs)
	if len(t.Refs) > 0 {
		e.Refs = append(slices.Clone(e.Refs), t.Refs...)
	}
	return e, t.Blobs
}

// Open returns the envelope with the values, by hash, in the places of their
// references. A reference whose value is not there stays one.
func (e Envelope) Open(values map[string]json.RawMessage) Envelope {
	e.Args, e.Kwargs = slices.Clone(e.Args), maps.Clone(e.Kwargs)
	e.Refs = e.places().Fill(e.Refs, values)
	return e
}

// Size is how many bytes the values of the call have, those kept aside included.
func (e Envelope) Size() int {
	size := sizeOf(e.Args, e.Kwargs)
	for _, r := range e.Refs {
		size += r.Size
	}
	return size
}

func sizeOf(args []json.RawMessage, kwargs map[string]json.RawMessage) (size int) {
	for _, v := range args {
		size += len(v)
	}
	for k, v := range kwargs {
		size += len(k) + len(v)
	}
	return size
}

// Call returns the record of the envelope in the given state.
func (e Envelope) Call(state State) Call {
	network := e.Network
	if network == "" {
		network = DefaultNetwork
	}
	return Call{
		ID: e.ID, Tracking: e.Tracking, Parents: e.Parents, Network: network, Socket: e.Socket,
		Plug: e.Plug, Argument: e.Argument, Priority: e.Priority.Brief(), State: state, Attempt: e.Attempt,
		Args: e.Args, Kwargs: maps.Clone(e.Kwargs), Refs: e.Refs, Origin: e.Origin, Created: e.Created, Deadline: e.Deadline,
	}
}

// Envelope is the call as it can be sent again, as far as its record tells how it was
// sent: with the attempts that were made, and without what it waited for.
func (c Call) Envelope() Envelope {
	return Envelope{
		ID: c.ID, Tracking: c.Tracking, Parents: c.Parents, Network: c.Network, Socket: c.Socket, Args: c.Args, Kwargs: c.Kwargs, Refs: c.InputRefs(),
		Argument: c.Argument, Priority: c.Priority.Brief(), Plug: c.Plug, Attempt: c.Attempt, Deadline: c.Deadline, Origin: c.Origin, Created: c.Created,
	}
}
