package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/elasticcode/flow/store"
)

// Insert inserts the rows with one statement: each column is one array, so the
// statement is the same for any number of rows and is prepared once.
func (driver) Insert(ctx context.Context, tx store.Execer, b store.Batch, conflict string) error {
	names, from, take := make([]string, len(b.Columns)), make([]string, len(b.Columns)), make([]string, len(b.Columns))
	args := make([]any, len(b.Columns))
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
	query := "INSERT INTO " + b.Table + " (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(take, ", ") +
		" FROM unnest(" + strings.Join(from, ", ") + ") AS rows (" + strings.Join(names, ", ") + ") " + conflict
	_, err := tx.ExecContext(ctx, query, args...)
	return err
}
