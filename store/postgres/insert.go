package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/elasticcode/flow/store"
)

// Insert inserts the rows with one statement.
func (driver) Insert(ctx context.Context, tx store.Execer, b store.Batch, conflict string) error {
	query, args := insertion(b, conflict)
	_, err := tx.ExecContext(ctx, query, args...)
	return err
}

// insertion is a statement that inserts the rows: each column is one array, so it
// is the same for any number of rows and is prepared once.
func insertion(b store.Batch, conflict string) (query string, args []any) {
	names, from, take := make([]string, len(b.Columns)), make([]string, len(b.Columns)), make([]string, len(b.Columns))
	args = make([]any, len(b.Columns))
	for i, c := range b.Columns {
		names[i], take[i] = c.Name, c.Name
		switch {
		case c.Int != nil:
			from[i], args[i] = fmt.Sprintf("$%d::bigint[]", i+1), c.Int
		case c.Time != nil:
			from[i], args[i] = fmt.Sprintf("$%d::timestamptz[]", i+1), c.Time
		default:
			from[i], args[i] = fmt.Sprintf("$%d::text[]", i+1), c.Text
			if c.Null {
				take[i] = "NULLIF(" + take[i] + ", '')"
			}
		}
	}
	query = "INSERT INTO " + b.Table + " (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(take, ", ") +
		" FROM unnest(" + strings.Join(from, ", ") + ") AS rows (" + strings.Join(names, ", ") + ") " + conflict
	return query, args
}
