package worker

import (
	"fmt"
	"time"

	"github.com/elasticcode/flow/model"
)

// choseEvent is the event of a call whose code chose plugs.
const choseEvent = "chose"

// record tells the history how a call is now.
func record(f finished, w *Worker) model.Call {
	j := f.job
	c := j.Envelope.Call(model.Running)
	c.Queue = j.Endpoint.Queue.Name
	c.Processor, c.Module, c.Task = j.Endpoint.Socket.Processor, j.Endpoint.Module, j.Endpoint.Socket.Task
	c.Commit, c.Node, c.Worker = w.cfg.Processor.Commit, w.cfg.Node, w.cfg.Name
	c.Attempt = j.attempt
	name := c.Module + "." + c.Task
	// What is usual follows from the times: model.Call.Timeline. Attempts that
	// are not the last one are told by events.
	switch f.kind {
	case runs:
		c.Received, c.Started = at(j.At), at(j.began)
	case again:
		c.State, c.Failure, c.Log = model.Retrying, f.failure, f.log
		c.Started = at(f.started)
		c.Events = append(c.Events, model.Event{Name: "received", Time: j.At, Note: "Received task " + name}, model.Event{Name: model.EventRetry, Time: f.ended,
			Note: fmt.Sprintf("Attempt %d ended with %s: %s; again in %s", j.attempt, f.failure.Error, f.failure.Message, f.delay.Round(time.Millisecond))},
			model.Event{Name: model.EventDue, Time: f.ended.Add(f.delay), Note: "Another attempt is due"})
	case ran:
		r := f.result
		r.Tell(&c)
		c.Log = f.log
		c.Received, c.Started, c.Finished = at(j.At), at(r.Started), at(r.Finished)
		if r.State == model.Cancelled {
			c.Events = append(c.Events, model.Event{Name: "cancelled", Time: r.Finished, Note: note(r.Failure)})
		}
		if r.Plugs != nil {
			c.Events = append(c.Events, model.Event{Name: choseEvent, Time: r.Finished, Note: "Chose the plugs to go on with"})
		}
	}
	return c
}

func note(f *model.Failure) string {
	if f == nil {
		return ""
	}
	return f.Message
}

func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
