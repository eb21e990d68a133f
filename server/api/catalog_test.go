package api

import (
	"fmt"
	"testing"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
)

// TestAhead: the sockets of a batch are looked up together, and are the same as
// those that are looked up one by one; a change is seen at once.
func TestAhead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := testenv.Context(t, time.Minute)
	first, err := b.c.Sockets().Get(ctx, "sample.do_this")
	if err != nil {
		t.Fatal(err)
	}
	calls := []client.Submission{{Socket: first.Name}, {Task: "sample.do_this"}, {Socket: "nobody"}}
	for i := range 5 {
		queue := fmt.Sprint("more", i)
		must(t)(b.c.Queues().Create(ctx, model.Queue{Object: model.Object{Name: queue}}))
		s, err := b.c.Sockets().Create(ctx, model.Socket{Object: model.Object{Name: fmt.Sprint("more.socket", i)}, Processor: first.Processor, Queue: queue, Task: first.Task})
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, client.Submission{Socket: s.Name})
	}
	c := b.api.catalog
	c.ahead(ctx, "default", calls)
	_, epoch := c.bell.wait()
	if left := c.stale("default", calls, epoch, time.Now()); len(left) != 1 || left[0] != "nobody" {
		t.Errorf("after that these are to be looked up: %v", left)
	}
	for _, s := range calls[3:] {
		together := c.entries[socketKey("default", s.Socket)].target
		alone, err := c.findSocket(ctx, "default", s.Socket)
		if err != nil || together == nil || together.endpoint.Socket != alone.endpoint.Socket || together.endpoint.Queue != alone.endpoint.Queue ||
			together.task == nil || together.task.Name != alone.task.Name || together.endpoint.Module != alone.endpoint.Module {
			t.Errorf("%s: together it is %+v, alone %+v, %v", s.Socket, together, alone, err)
		}
	}
	c.bell.ring("socket")
	_, epoch = c.bell.wait()
	if left := c.stale("default", calls, epoch, time.Now()); len(left) != len(calls)-1 {
		t.Errorf("after a change these are to be looked up: %v", left)
	}
}
