package sqlite_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/glebarez/sqlite"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
	flowsqlite "github.com/elasticcode/flow/store/sqlite"
	"github.com/elasticcode/flow/store/storetest"
)

// TestPlans: of a history of which nearly all has succeeded, calls in other
// states are found without reading it, whether SQLite knows what is in it or not.
func TestPlans(t *testing.T) {
	t.Parallel()
	ctx := testenv.Context(t, storetest.Limit)
	path := filepath.Join(t.TempDir(), "flow.sqlite")
	type asked struct {
		query  string
		values []any
	}
	var heard []asked
	s, err := flowsqlite.OpenHeard(ctx, path, func(query string, values []any) { heard = append(heard, asked{query, values}) })
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	must(t, s.Migrate(ctx))
	var calls []model.Call
	now := time.Now()
	for i := range 3000 {
		id := model.NewID()
		c := model.Call{ID: id, Tracking: id, Network: "default", Socket: fmt.Sprint("s", i%10), State: model.Succeeded, Created: now.Add(time.Duration(i-3000) * time.Second), Finished: &now}
		if i%300 == 7 {
			c.State = model.Dead
		}
		calls = append(calls, c)
	}
	must(t, s.RecordCalls(ctx, calls))
	db, err := sql.Open(sqlite.DriverName, "file:"+(&url.URL{Path: path}).EscapedPath())
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	questions := map[string]func() error{
		"dead letters": func() error { _, err := s.Dead(ctx, store.DeadFilter{Network: "default", Socket: "s7"}); return err },
	}
	for what, f := range storetest.Unusual("default", "s7") {
		f.Limit = 5
		questions[what] = func() error { _, err := s.Calls(ctx, f); return err }
	}
	for _, first := range []string{"", "ANALYZE"} {
		_, err := db.ExecContext(ctx, first)
		must(t, err)
		for what, ask := range questions {
			heard = nil
			must(t, ask())
			if len(heard) == 0 && what != "unfinished and running" {
				t.Fatalf("%s: nothing was asked", what)
			}
			for _, a := range heard {
				for _, step := range plan(t, db, a.query, a.values) {
					if reads.MatchString(step) && !indexed.MatchString(step) {
						t.Errorf("%s, after %q: %s: %s", what, first, step, a.query)
					}
				}
			}
		}
	}
}

// plan returns the steps in which a statement is done.
func plan(t *testing.T, db *sql.DB, query string, values []any) (steps []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, values...)
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	for rows.Next() {
		var id, parent, unused int
		var step string
		must(t, rows.Scan(&id, &parent, &unused, &step))
		steps = append(steps, step)
	}
	must(t, rows.Err())
	return steps
}

// reads is a step that reads the history; indexed is one that looks up by id, or
// where calls are that have not succeeded.
var (
	reads   = regexp.MustCompile(`^(SCAN|SEARCH) calls\b`)
	indexed = regexp.MustCompile(`^SEARCH calls USING (COVERING )?INDEX (idx_calls_state \(network=\? AND state=\?|sqlite_autoindex_calls_1 \(id=\?)`)
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
