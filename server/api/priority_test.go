package api

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

func TestSubmitPriority(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	in := client.Submission{Socket: "sample.do_this", Args: []json.RawMessage{value("1")}}
	for given, want := range map[model.Priority]model.Priority{"": "", model.Normal: "", model.High: model.High, model.Low: model.Low} {
		in.Priority = given
		if _, err := b.c.SubmitBatch(ctx, []client.Submission{in}); err != nil {
			t.Fatal(err)
		}
		if have := b.broker.last(t).Envelope.Priority; have != want {
			t.Errorf("priority %q travels as %q", given, have)
		}
	}
	in.Priority = "urgent"
	sent := len(b.broker.sent)
	wants(t, second(b.c.Submit(ctx, in)), client.CodeInvalid, `priority "urgent" is unknown`, "high, normal or low")
	wants(t, second(b.c.SubmitBatch(ctx, []client.Submission{{Socket: in.Socket, Args: in.Args}, in})), client.CodeInvalid, "call 2", "urgent")
	if len(b.broker.sent) != sent {
		t.Error("a call of an unknown priority was sent")
	}
}

// TestSubmitPriorityToAll: on a fanout queue the API makes the calls that the
// sockets would make of a normal one, under the same ids.
func TestSubmitPriorityToAll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	must(t)(b.c.Queues().Create(ctx, model.Queue{Object: model.Object{Name: "all"}, Type: model.Fanout}))
	for _, name := range []string{"x", "y"} {
		task := map[string]string{"x": "do_this", "y": "add_two"}[name]
		must(t)(b.c.Sockets().Create(ctx, model.Socket{Object: model.Object{Name: name}, Processor: "proc1", Queue: "all", Task: task}))
	}
	in := client.Submission{Socket: "x", Args: []json.RawMessage{value("1")}}
	must(t)(b.c.Submit(ctx, in))
	if len(b.broker.sent) != 1 {
		t.Errorf("a normal call was sent %d times", len(b.broker.sent))
	}
	in.Priority = model.High
	s, err := b.c.Submit(ctx, in)
	if err != nil || len(b.broker.sent) != 3 {
		t.Fatalf("%d sent, %v", len(b.broker.sent), err)
	}
	named, other := b.broker.sent[1], b.broker.sent[2]
	if named.Envelope.ID != s.ID || named.Endpoint.Socket.Name != "x" || named.Envelope.Socket != "x" {
		t.Errorf("the socket that was named: %+v", named)
	}
	if e := other.Envelope; e.ID != model.DescendID(s.ID, "socket", "y") || e.Socket != "y" || e.Tracking != s.Tracking || e.Priority != model.High || other.Endpoint.Socket.Name != "y" {
		t.Errorf("the other socket: %+v", other)
	}
}
