package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/sqlite"
	"github.com/elasticcode/flow/store/storetest"
)

// writer is a database with a table calls of two columns.
func writer(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sqlite.OpenWriter(filepath.Join(t.TempDir(), "flow.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, statement := range []string{"CREATE TABLE calls (id text PRIMARY KEY, n integer CHECK (n >= 0))", "CREATE TABLE other (id text, UNIQUE (id))"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func batch(table string, n int64, ids ...string) store.Batch {
	b := store.Batch{Table: table, Rows: len(ids), Columns: []store.Column{{Name: "id", Text: ids}}}
	if table == "calls" {
		b.Columns = append(b.Columns, store.Column{Name: "n", Int: slices.Repeat([]int64{n}, len(ids))})
	}
	return b
}

// TestAppend: all is appended or nothing, and a key that is there is told from
// other refusals.
func TestAppend(t *testing.T) {
	t.Parallel()
	ctx := testenv.Context(t, storetest.Limit)
	db := writer(t)
	var many []string
	for i := range 500 {
		many = append(many, fmt.Sprintf("c%03d", i))
	}
	for _, step := range []struct {
		what    string
		batches []store.Batch
		refused bool
		taken   bool
	}{
		{"new ones", []store.Batch{batch("calls", 1, many[:300]...), batch("other", 0, "a")}, false, false},
		{"one that is there, the last", []store.Batch{batch("calls", 1, append(slices.Clone(many[300:]), many[0])...)}, true, true},
		{"new ones, and another table's that is there", []store.Batch{batch("calls", 1, many[300:]...), batch("other", 0, "a")}, true, true},
		{"what the table refuses", []store.Batch{batch("calls", -1, many[300:]...)}, true, false},
	} {
		err := sqlite.Appender.Append(ctx, db, step.batches)
		if (err != nil) != step.refused || sqlite.Appender.Taken(err) != step.taken {
			t.Errorf("%s: %v, taken %t", step.what, err, sqlite.Appender.Taken(err))
		}
		known, err := sqlite.Driver.Known(ctx, db, many)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(known)
		if !slices.Equal(known, many[:300]) {
			t.Errorf("after %s: %d calls are there", step.what, len(known))
		}
	}
}
