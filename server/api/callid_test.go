package api

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

// TestCallsByKey: whoever gave a submission an id of their own finds the call by it.
func TestCallsByKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	submit := func(in client.Submission) string {
		t.Helper()
		in.Args = []json.RawMessage{value("1"), value("2")}[:1+strings.Count(in.Socket, "add_two")]
		s, err := b.c.Submit(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.store.RecordCalls(ctx, []model.Call{b.broker.last(t).Envelope.Call(model.Failed)}); err != nil {
			t.Fatal(err)
		}
		return s.ID
	}
	first := submit(client.Submission{Socket: "sample.do_this", ID: "order-7"})
	byTask := submit(client.Submission{Task: "do_this", ID: "order-8"})
	if c, err := b.c.Call(ctx, "order-7"); err != nil || c.ID != first {
		t.Errorf("the call is %s, %v", c.ID, err)
	}
	if tree, err := b.c.Tree(ctx, "order-8"); err != nil || len(tree) != 1 || tree[0].ID != byTask {
		t.Errorf("the tree has %d calls, %v", len(tree), err)
	}
	if out, err := b.c.Result(ctx, "order-7", 0); err != nil || out.ID != first || out.State != model.Failed {
		t.Errorf("the outcome is %+v, %v", out, err)
	}
	if c, err := b.c.EditDead(ctx, "order-7", client.Edit{Args: &[]json.RawMessage{value("2")}}); err != nil || c.ID != first {
		t.Errorf("edited %s, %v", c.ID, err)
	}
	if done, err := b.c.DropDead(ctx, "order-8", "order-9"); err != nil || done[0].ID != byTask || done[0].Error != "" || done[1].ID != "order-9" || done[1].Error == "" {
		t.Errorf("dropped %+v, %v", done, err)
	}
	wants(t, second(b.c.In("elsewhere").Call(ctx, "order-7")), client.CodeNotFound)
	submit(client.Submission{Socket: "sample.add_two", ID: "order-7"})
	wants(t, second(b.c.Call(ctx, "order-7")), client.CodeConflict, first)
}
