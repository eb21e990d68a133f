// Package plug decides what follows a call: Route turns the outcome of a call
// into the next calls, by the plugs that begin at its socket, and Fire builds
// the call that a complete join stands for.
//
// Everything here is a pure function of its input. A worker that repeats a step
// after a crash gets the same calls with the same ids, so that the repeat is
// recognised downstream.
package plug

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

// Outcome is how a call ended for good.
type Outcome struct {
	Value   json.RawMessage
	Failure *model.Failure
	// Plugs are the values that the code chose plugs for; nil when it chose none.
	Plugs map[string]json.RawMessage
	// Refs are the large values of Value and Plugs, as in result.Result.
	Refs []model.Ref
	// Finished is when the call ended, and when the calls that follow are made.
	Finished time.Time
}

// Route returns the calls that follow from the outcome of a call of the
// endpoint. RESULT plugs fire on success only and ERROR plugs on failure only.
// Code that chose plugs fires those alone, each with the value it gave.
func Route(ep *model.Endpoint, call model.Envelope, out Outcome) ([]socket.Outgoing, error) {
	var next []socket.Outgoing
	for _, edge := range ep.Out {
		value, refs, fires, err := valueFor(edge.Plug, call, out)
		if err != nil {
			return nil, err
		}
		if !fires {
			continue
		}
		next = append(next, socket.Outgoing{
			To: address(edge, call.Priority),
			Envelope: model.Envelope{
				ID:       model.DescendID(call.ID, edge.Plug.ID, "0"),
				Tracking: call.Tracking,
				Parents:  []string{call.ID},
				Network:  call.Network,
				Socket:   edge.Target.Name,
				Args:     []json.RawMessage{value},
				Refs:     refs,
				Argument: edge.Plug.Argument,
				Priority: call.Priority,
				Plug:     edge.Plug.Name,
				Origin:   call.Origin,
				Created:  out.Finished,
			},
		})
	}
	return next, nil
}

// CheckChoice tells whether the code chose plugs that its socket has, or returns
// the failure that says which it could have chosen.
func CheckChoice(ep *model.Endpoint, plugs map[string]json.RawMessage) *model.Failure {
	for name := range plugs {
		if !slices.ContainsFunc(ep.Out, func(e model.Edge) bool { return e.Plug.Name == name && e.Plug.Type == model.PlugResult }) {
			return &model.Failure{
				Error:     "PlugNotFound",
				Message:   fmt.Sprintf("the function chose plug %q, but socket %s has %s", name, ep.Socket.Name, resultPlugs(ep)),
				Permanent: true,
			}
		}
	}
	return nil
}

func resultPlugs(ep *model.Endpoint) string {
	var names []string
	for _, e := range ep.Out {
		if e.Plug.Type == model.PlugResult {
			names = append(names, e.Plug.Name)
		}
	}
	if len(names) == 0 {
		return "no RESULT plug: add one with 'flow add plug'"
	}
	return "only these: " + strings.Join(names, ", ")
}

// Errant is the value that an ERROR plug carries.
type Errant struct {
	Error   string                     `json:"error"`
	Message string                     `json:"message"`
	Trace   string                     `json:"trace"`
	Call    string                     `json:"call"`
	Socket  string                     `json:"socket"`
	Args    []json.RawMessage          `json:"args"`
	Kwargs  map[string]json.RawMessage `json:"kwargs,omitempty"`
}

// theValue is where the one value of a call that follows is.
const theValue = "/args/0"

// valueFor is what a plug carries, if it fires: a large value by reference, and
// those of a failed call, too.
func valueFor(p model.Plug, call model.Envelope, out Outcome) (value json.RawMessage, refs []model.Ref, fires bool, err error) {
	if out.Failure != nil {
		if p.Type != model.PlugError {
			return nil, nil, false, nil
		}
		args := call.Args
		if args == nil {
			args = []json.RawMessage{}
		}
		value, err = json.Marshal(Errant{
			Error: out.Failure.Error, Message: out.Failure.Message, Trace: out.Failure.Trace,
			Call: call.ID, Socket: call.Socket, Args: args, Kwargs: call.Kwargs,
		})
		if err != nil {
			return nil, nil, false, fmt.Errorf("encode the failure of call %s for plug %s: %w", call.ID, p.Name, err)
		}
		return value, model.Rebase(call.Refs, "", theValue), true, nil
	}
	if p.Type != model.PlugResult {
		return nil, nil, false, nil
	}
	if out.Plugs != nil {
		value, fires = out.Plugs[p.Name]
		return value, model.Rebase(out.Refs, model.Pointer("plugs", p.Name), theValue), fires, nil
	}
	if out.Value == nil {
		return json.RawMessage("null"), nil, true, nil
	}
	return out.Value, model.Rebase(out.Refs, "/value", theValue), true, nil
}

// address is where a plug delivers: its own queue if it has one, else the join
// if the value is one argument of it, else the target's queue. Calls of other
// than normal priority pass by the edge's own queue, where they would wait
// behind the rest. A fanout or topic queue has them like all others: who else is
// on it is not known here, and its workers begin them in order of priority.
func address(e model.Edge, p model.Priority) socket.Address {
	class, special := socket.Class(e.Target, p)
	switch {
	case e.Plug.Queue != "" && !special:
		return socket.Edge(e.Plug)
	case e.Plug.Argument != "":
		return socket.Join()
	case special && (e.Plug.Queue != "" || !e.TargetQueue.ReachesAll()):
		return class
	}
	return socket.Own(e.TargetQueue, e.Target)
}
