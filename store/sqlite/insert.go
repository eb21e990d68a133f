package sqlite

import (
	"context"
	"strings"

	"github.com/elasticcode/flow/store"
)

// rowsAtOnce is how many rows one statement inserts: more make statements that
// take longer to compile than to run.
const rowsAtOnce = 50

// Insert inserts the rows with statements of many VALUES.
func (driver) Insert(ctx context.Context, tx store.Execer, b store.Batch, conflict string) error {
	names := make([]string, len(b.Columns))
	for i, c := range b.Columns {
		names[i] = c.Name
	}
	into := "INSERT INTO " + b.Table + " (" + strings.Join(names, ", ") + ") VALUES "
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", len(names)), ",") + "),"
	for start := 0; start < b.Rows; start += rowsAtOnce {
		n := min(rowsAtOnce, b.Rows-start)
		args := make([]any, 0, n*len(names))
		for i := start; i < start+n; i++ {
			for _, c := range b.Columns {
				args = append(args, value(c, i))
			}
		}
		query := into + strings.TrimSuffix(strings.Repeat(row, n), ",") + " " + conflict
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}

func value(c store.Column, i int) any {
	if c.Int != nil {
		return c.Int[i]
	}
	text := c.Text
	if text == nil {
		text = c.Time
	}
	if text[i] == nil {
		return nil
	}
	return *text[i]
}
