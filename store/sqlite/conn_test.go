package sqlite

import (
	"database/sql"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/storetest"
)

// numbers opens a database with a table of numbers.
func numbers(t *testing.T) *sql.DB {
	t.Helper()
	g, err := open(filepath.Join(t.TempDir(), "flow.db"), "_txlock=immediate", 1)
	if err != nil {
		t.Fatal(err)
	}
	db, err := g.DB()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE numbers (n integer PRIMARY KEY, a text, b text, c text, d text, e text, f text)"); err != nil {
		t.Fatal(err)
	}
	return db
}

// insert inserts rows from..to-1; those columns whose bit is set in mask vary.
func insert(t *testing.T, db *sql.DB, from, to, mask int) {
	t.Helper()
	b := store.Batch{Table: "numbers", Rows: to - from, Columns: []store.Column{{Name: "n"}}}
	for bit, name := range []string{"a", "b", "c", "d", "e", "f"} {
		c := store.Column{Name: name}
		for n := from; n < to; n++ {
			if mask&(1<<bit) != 0 {
				c.Text = append(c.Text, fmt.Sprint(name, n))
			} else {
				c.Text = append(c.Text, name)
			}
		}
		b.Columns = append(b.Columns, c)
	}
	for n := from; n < to; n++ {
		b.Columns[0].Int = append(b.Columns[0].Int, int64(n))
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := (driver{}).Insert(t.Context(), tx, b, "ON CONFLICT DO NOTHING"); err != nil {
		t.Fatalf("insert %d rows: %v", b.Rows, err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// kept returns the statements that the connection keeps, by text.
func kept(t *testing.T, db *sql.DB) map[string]*statement {
	t.Helper()
	c, err := db.Conn(testenv.Context(t, storetest.Limit))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	var out map[string]*statement
	if err := c.Raw(func(raw any) error { out = maps.Clone(raw.(*conn).kept); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestInsertNumberOfRows(t *testing.T) {
	t.Parallel()
	db := numbers(t)
	last := 0
	for _, rows := range []int{1, 2, 3, 4, 5, 63, 64, 255, 256, 257, 600} {
		insert(t, db, last, last+rows, 0b100101)
		last += rows
	}
	var have, wrong int
	query := "SELECT count(*), sum(a <> 'a' || n OR b <> 'b' OR c <> 'c' || n OR d <> 'd' OR e <> 'e' OR f <> 'f' || n) FROM numbers WHERE n < ?"
	if err := db.QueryRowContext(t.Context(), query, last).Scan(&have, &wrong); err != nil {
		t.Fatal(err)
	}
	if have != last || wrong != 0 {
		t.Errorf("%d of %d rows are there, and %d of them are not what was inserted", have, last, wrong)
	}
}

func TestStatementsAreCompiledOnce(t *testing.T) {
	t.Parallel()
	db := numbers(t)
	insert(t, db, 0, 100, 1)
	before := kept(t, db)
	insert(t, db, 100, 200, 1)
	after := kept(t, db)
	if len(before) == 0 || !maps.EqualFunc(before, after, func(a, b *statement) bool { return a.Stmt == b.Stmt }) {
		t.Errorf("%d statements were compiled for the first 100 rows and are kept, and %d after the next", len(before), len(after))
	}
}

func TestStatementsKeptAreBounded(t *testing.T) {
	t.Parallel()
	db := numbers(t)
	const shapes = 2 * keptStatements
	for mask := range shapes - 1 {
		insert(t, db, 4*mask, 4*mask+4, mask)
	}
	first := slices.Collect(maps.Keys(kept(t, db)))
	if len(first) != keptStatements {
		t.Errorf("%d statements are kept: want %d", len(first), keptStatements)
	}
	// What was used last stays.
	insert(t, db, 4*shapes, 4*shapes+4, shapes-2)
	if again := kept(t, db); !slices.ContainsFunc(first, func(q string) bool { return again[q] != nil && again[q].used == shapes }) {
		t.Error("the statement that was used last was compiled again")
	}
	var have int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM numbers").Scan(&have); err != nil || have != 4*shapes {
		t.Errorf("%d rows are there, %v: want %d", have, err, 4*shapes)
	}
}
