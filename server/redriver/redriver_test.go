package redriver

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/result/bolt"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/sqlite"
)

// outgoing is a sender that keeps what it is given.
type outgoing struct {
	calls   []socket.Outgoing
	records []model.Call
}

func (o *outgoing) Send(_ context.Context, calls []socket.Outgoing, records []model.Call) error {
	o.calls, o.records = append(o.calls, calls...), append(o.records, records...)
	return nil
}

// withSocket is a database with one socket.
func withSocket(t *testing.T, name string) *store.Store {
	t.Helper()
	ctx := testenv.Context(t, time.Minute)
	db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "flow.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	object := func(name string) model.Object { return model.Object{Name: name, Owner: "ann"} }
	err = db.Migrate(ctx)
	if err == nil {
		_, err = db.CreateQueue(ctx, model.Queue{Object: object("queue"), Type: model.Direct})
	}
	if err == nil {
		_, err = db.CreateProcessor(ctx, model.Processor{
			Object: object("proc"), GitRepo: "/repo", Ref: "main", RefKind: "branch", Commit: "c0ffee", Module: "pkg.mod", Runtime: model.RuntimePython,
		})
	}
	if err == nil {
		_, err = db.CreateSocket(ctx, model.Socket{Object: object(name), Processor: "proc", Queue: "queue", Task: "f"}.WithDefaults())
	}
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestSocketDeletedMeanwhile: a reopened call that there is no queue for any more
// ends, for who looks at the history and for who waits, and holds up no other.
func TestSocketDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	ctx := testenv.Context(t, time.Minute)
	db := withSocket(t, "there")
	results, err := bolt.Open(ctx, bolt.Config{Path: filepath.Join(t.TempDir(), "results")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = results.Close() })
	sent := &outgoing{}
	r := New(Config{History: db, Results: results, Sender: sent, Logger: testenv.Logger(t)})

	now := time.Now().UTC()
	for id, name := range map[string]string{"a": "away", "b": "there"} {
		c := model.Call{ID: id, Tracking: "run", Network: "default", Socket: name, State: model.Dead, Attempt: 2, Created: now, Finished: &now}
		if err := db.RecordCalls(ctx, []model.Call{c}); err != nil {
			t.Fatal(err)
		}
		if _, err := results.Put(ctx, time.Hour, result.Result{Call: id, State: model.Dead, Attempt: 2, Finished: now}); err != nil {
			t.Fatal(err)
		}
	}
	calls, err := db.Reopen(ctx, "a", "b")
	if err != nil || len(calls) != 2 {
		t.Fatal(calls, err)
	}
	if err := r.send(ctx, calls, "ann"); err != nil {
		t.Fatal(err)
	}
	if len(sent.calls) != 1 || sent.calls[0].Envelope.ID != "b" {
		t.Errorf("sent %+v", sent.calls)
	}
	if err := db.RecordCalls(ctx, sent.records); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]model.State{"a": model.Dead, "b": model.Queued} {
		if c, err := db.Call(ctx, id); err != nil || c.State != want {
			t.Errorf("call %s is %s, %v", id, c.State, err)
		}
	}
	known, err := results.Get(ctx, "a", "b")
	if end, ended := known["a"]; err != nil || len(known) != 1 || !ended || !strings.Contains(end.Failure.Message, "deleted") {
		t.Errorf("who waits is told %+v, %v", known, err)
	}
	if left, err := db.PendingRedrives(ctx, time.Now().Add(time.Minute), 10); err != nil || len(left) > 0 {
		t.Errorf("the outbox has %+v, %v", left, err)
	}
}
