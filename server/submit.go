package server

import (
	"context"
	"errors"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/server/api"
	"github.com/elasticcode/flow/server/topology"
	"github.com/elasticcode/flow/server/values"
	"github.com/elasticcode/flow/socket"
)

// submitter makes the API's calls durable: accepted means that the broker has
// them on disk, and the database is not needed to accept. Only large values are:
// they do not travel with the call, and the database has them before.
type submitter struct {
	sender *socket.Sender
	values *values.Values
	scribe *scribe
	fault  func(point string)
}

var _ api.Submitter = submitter{}

// Submit publishes the calls, and has the records of those that were accepted
// follow: a call that the broker refused must not stand in the history as one
// that waits, and nobody waits for a record.
func (s submitter) Submit(ctx context.Context, calls []api.Outgoing) error {
	out := make([]socket.Outgoing, len(calls))
	records := make([]model.Call, len(calls))
	var large []model.Blob
	for i, c := range calls {
		var blobs []model.Blob
		c.Envelope, blobs = c.Envelope.Seal()
		large = append(large, blobs...)
		out[i] = socket.Outgoing{Envelope: c.Envelope, To: destination(c), Repeat: c.Repeat}
		state := model.Queued
		if c.Envelope.Argument != "" {
			state = model.Waiting
		}
		records[i] = c.Envelope.Call(state)
		if c.Endpoint != nil {
			records[i].Queue, records[i].Processor = c.Endpoint.Queue.Name, c.Endpoint.Socket.Processor
			records[i].Module, records[i].Task = c.Endpoint.Module, c.Endpoint.Socket.Task
		} else {
			records[i].Module, records[i].Task = c.Module, c.Task
		}
	}
	if err := s.keep(ctx, large, records); err != nil {
		return &api.Unkept{Err: err}
	}
	s.fault("submit before publish")
	err := s.sender.Send(ctx, out, nil)
	s.fault("submit published")
	s.scribe.note(ctx, accepted(records, err))
	return err
}

// keep makes large values durable. The records of the calls that have them may
// come late or, after a crash, never: until then this holds them.
func (s submitter) keep(ctx context.Context, large []model.Blob, records []model.Call) error {
	if len(large) == 0 {
		return nil
	}
	if err := s.values.Keep(ctx, large...); err != nil {
		return err
	}
	return s.values.Hold(ctx, records...)
}

// Accepted returns a call that was accepted here not long ago, as it was then.
func (s submitter) Accepted(id string) (model.Call, bool) { return s.scribe.known(id) }

// accepted returns the records of the calls that the error of publishing them
// does not name.
func accepted(records []model.Call, err error) []model.Call {
	if err == nil {
		return records
	}
	var partly *broker.PublishError
	if !errors.As(err, &partly) || len(partly.Errs) != len(records) {
		return nil
	}
	var out []model.Call
	for i, e := range partly.Errs {
		if e == nil {
			out = append(out, records[i])
		}
	}
	return out
}

func destination(c api.Outgoing) socket.Address {
	switch {
	case c.Endpoint == nil:
		return socket.Shared(c.Envelope.Network, c.Module, c.Task)
	case c.Envelope.Argument != "":
		return socket.Join()
	}
	if class, ok := socket.Class(c.Endpoint.Socket, c.Envelope.Priority); ok {
		return class // the API has made a call of each socket that a fanout queue reaches
	}
	return socket.Own(c.Endpoint.Queue, c.Endpoint.Socket)
}

// board is the topology as the API wants to see it.
type board struct{ *topology.Topology }

var (
	_ api.Topology  = board{}
	_ api.Inspector = board{}
)

// Waiting counts the calls that Forget would end.
func (b board) Waiting(ctx context.Context, g api.Gone) (int64, error) {
	return b.Topology.Waiting(ctx, topology.Gone(g))
}

// Forget removes what is not needed any more.
func (b board) Forget(ctx context.Context, g api.Gone) error {
	return b.Topology.Forget(ctx, topology.Gone(g))
}
