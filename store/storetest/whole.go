package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

var errDied = errors.New("the server died here")

// dying returns a context that, one time in three, ends at a moment of its own
// choice: what was being done then is rolled back, or was committed just before.
func (b *bundle) dying(n int) context.Context {
	if rand.IntN(3) > 0 {
		return b.ctx
	}
	ctx, cancel := context.WithCancelCause(b.ctx)
	time.AfterFunc(time.Duration(rand.IntN(n*1000))*time.Microsecond, func() { cancel(errDied) })
	return ctx
}

// busy: readers and writers of all kinds at the same time never see the
// database refuse.
func busy(t *testing.T, b *bundle) {
	b.queue(t, "q")
	b.processor(t, "p")
	const goroutines, rounds = 16, 4
	var group errgroup.Group
	for g := range goroutines {
		group.Go(func() error {
			for i := range rounds {
				id := fmt.Sprintf("%d-%d", g, i)
				m := model.Socket{Object: object("s" + id), Processor: "p", Queue: "q", Task: "f" + id}.WithDefaults()
				if _, err := b.CreateSocket(b.ctx, m); err != nil {
					return err
				}
				if err := b.RecordCalls(b.ctx, []model.Call{record("c"+id, model.Queued, 0), record("shared", model.Running, i)}); err != nil {
					return err
				}
				if err := b.Heartbeat(b.ctx, heartbeat(fmt.Sprintf("n%d", g%4), worker("", "w"+id, i, model.StatusRunning))); err != nil {
					return err
				}
				if _, err := b.RestartProcessor(b.ctx, "", "p"); err != nil {
					return err
				}
				if _, err := b.Arrive(b.ctx, []store.Arrival{arrival(model.JoinZip, id, []string{"one", "two"}[i%2], id)}); err != nil {
					return err
				}
				if _, err := b.Calls(b.ctx, store.CallFilter{Unfinished: true}); err != nil {
					return err
				}
				if _, err := b.Endpoints(b.ctx, ""); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, group.Wait())
	equal(t, "generation", got(b.Processor(b.ctx, "", "p"))(t).Generation, int64(1+goroutines*rounds))
	equal(t, "calls", got(b.Calls(b.ctx, store.CallFilter{}))(t).Total, int64(1+goroutines*rounds))
	equal(t, "fired", len(got(b.PendingFired(b.ctx, 1000))(t)), goroutines*rounds/2)
}

// dump: all tables, no secrets.
func dump(t *testing.T, b *bundle) {
	p := b.processor(t, "p")
	must(t, b.SetCredential(b.ctx, p.ID, []byte("SEALED-SECRET")))
	got(b.EnsureUser(b.ctx, "ann", ""))(t)
	must(t, b.AddToken(b.ctx, model.Token{User: "ann", Name: "t", Scope: model.ScopeAdmin}, []byte("HASHED-SECRET")))
	c := record("c", model.Succeeded, 1)
	c.Result = raw(`{"deep":[1,2]}`)
	must(t, b.RecordCalls(b.ctx, []model.Call{c}))
	b.arrive(t, model.JoinZip, [3]string{"a1", "one", "r"})

	var out bytes.Buffer
	must(t, b.Dump(b.ctx, &out))
	for _, secret := range []string{"SECRET", "U0VBTEVELVNFQ1JFV", "SEFTSEVELVNFQ1JFV", "534543524554", "\"hash\"", "sealed"} {
		if strings.Contains(out.String(), secret) {
			t.Fatalf("the dump says %s:\n%s", secret, out.String())
		}
	}
	var tables map[string][]map[string]any
	must(t, json.Unmarshal(out.Bytes(), &tables))
	equal(t, "tables", len(tables), 25)
	equal(t, "networks", tables["networks"][0]["name"], any("default"))
	equal(t, "processor", []any{tables["processors"][0]["name"], tables["credentials"][0]["processor_id"]}, []any{"p", p.ID})
	equal(t, "call", []any{tables["calls"][0]["id"], tables["calls"][0]["created"], tables["calls"][0]["deadline"], tables["calls"][0]["result"]},
		[]any{"c", "2026-03-04T03:06:07.123456Z", nil, map[string]any{"deep": []any{1.0, 2.0}}})
	equal(t, "arrival", []any{tables["join_arrivals"][0]["used"], tables["join_arrivals"][0]["value"]}, []any{false, "a1"})
	equal(t, "empty table", tables["plugs"], []map[string]any{})
}

// migrations: an empty database says what to do, many programs may migrate at
// once, and it is done once.
func migrations(t *testing.T, open func(t testing.TB, name string) *store.Store) {
	b := fresh(t, open)
	if _, err := b.Queues(b.ctx, "", firstPage); !errors.Is(err, store.ErrUnmigrated) || !strings.Contains(err.Error(), "run 'flow db migrate'") {
		t.Fatalf("an empty database says %v", err)
	}
	refused(t, b.Check(b.ctx), store.ErrUnmigrated, "the database is empty: the database is not up to date: run 'flow db migrate'")
	current, latest, err := b.Version(b.ctx)
	must(t, err)
	if current != 0 || latest < 1 {
		t.Fatalf("versions of an empty database are %d and %d", current, latest)
	}
	var group errgroup.Group
	for range 4 {
		other := open(t, b.name)
		group.Go(func() error { return other.Migrate(b.ctx) })
	}
	must(t, group.Wait())
	must(t, b.Migrate(b.ctx))
	must(t, b.Check(b.ctx))
	must(t, b.Ping(b.ctx))
	current, latest, err = b.Version(b.ctx)
	must(t, err)
	equal(t, "version", current, latest)
	equal(t, "networks", names(got(b.Networks(b.ctx, firstPage))(t).Items, func(n model.Network) string { return n.Name }), []string{"default"})
}
