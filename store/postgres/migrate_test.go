package postgres_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store/storetest"
)

// TestMigrateHistory: a history from before there were partitions is whole
// afterwards, whatever the ids of its calls, and is dropped like a day.
func TestMigrateHistory(t *testing.T) {
	t.Parallel()
	name := testenv.Prefix(t)
	h := &history{Store: open(t, name), db: connect(t, name), ctx: testenv.Context(t, storetest.Limit)}
	h.base = time.Now().UTC().Truncate(day).Add(-10 * day)
	exec := func(statement string) {
		t.Helper()
		_, err := h.db.ExecContext(h.ctx, statement)
		must(t, err)
	}
	exec("CREATE SCHEMA " + name)
	files, err := filepath.Glob("../migrations/postgres/0000[1-6]*.sql")
	must(t, err)
	exec("CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp DEFAULT now()); INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true)")
	if len(files) != 6 {
		t.Fatalf("the first migrations are %v", files)
	}
	for i, f := range files {
		raw, err := os.ReadFile(f)
		must(t, err)
		exec(string(raw))
		exec(fmt.Sprintf("INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, true)", i+1))
	}
	var calls []model.Call
	parent := ""
	for i, id := range []string{"", "order-1", "00000000-0000-4000-8000-000000000000", "ffffffff-ffff-4000-8000-000000000000", "", "ORDER", "été", "", "02000000-0000-7000-8000-000000000000"} {
		c := call(h.on(i, 0), i)
		if id != "" {
			c.ID = id
		}
		if parent != "" {
			c.Parents = []string{parent}
		}
		parent = c.ID
		calls = append(calls, c)
	}
	calls[7].State, calls[8].State, calls[8].Finished = model.Failed, model.Running, nil
	// They are written by a program of that time, as it were.
	written := newHistory(t)
	must(t, written.RecordCalls(h.ctx, calls))
	for _, table := range []string{"calls", "call_parents", "call_logs", "events", "call_blobs", "dead_letters"} {
		columns := h.texts(t, fmt.Sprintf("SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = '%s'", table))[0]
		exec(fmt.Sprintf("INSERT INTO %s (%s) SELECT %[2]s FROM %s.%[1]s", table, columns, written.texts(t, "SELECT current_schema()")[0]))
	}
	want := h.left(t)
	if len(want) != len(calls) {
		t.Fatalf("there are %v", want)
	}
	must(t, h.Migrate(h.ctx))
	if have := h.left(t); !slices.Equal(have, want) {
		t.Errorf("after the migration there are\n%v, before\n%v", have, want)
	}
	h.inStep(t)
	tree, err := h.Tree(h.ctx, calls[0].ID)
	must(t, err)
	if len(tree) != len(calls) {
		t.Errorf("the tree has %d of %d calls", len(tree), len(calls))
	}
	for table, want := range map[string]int{"calls_first": 3, "calls_low": 1, "calls_rest": 1, "calls_high": 4, "events_first": 3, "call_parents_first": 3} {
		if n := h.count(t, "SELECT count(*) FROM "+table); n != want {
			t.Errorf("%s has %d rows, want %d", table, n, want)
		}
	}
	must(t, h.RecordCalls(h.ctx, calls)) // they are known
	must(t, h.MakeDays(h.ctx, time.Now(), time.Now().Add(3*day), day))
	if days := h.days(t); len(days) != 4*2 {
		t.Errorf("made are %v", days)
	}
	n, err := h.DropDays(h.ctx, time.Now().Add(2*day))
	must(t, err)
	if n != 3 {
		t.Errorf("%d calls were dropped, want 3", n)
	}
	if have := h.left(t); len(have) != len(calls)-3 {
		t.Errorf("left are %v", have)
	}
}
