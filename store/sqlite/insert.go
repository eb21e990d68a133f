package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/elasticcode/flow/store"
)

// rowsAtOnce is how many rows one statement inserts. Every statement is
// compiled anew, which fewer rows would pay for more often; and the driver looks
// for each parameter in the list of all, which more rows would make longer.
const rowsAtOnce = 50

// Insert inserts the rows with statements of many VALUES, followed by the
// columns that are the same in all of them: those are given once.
func (driver) Insert(ctx context.Context, tx store.Execer, b store.Batch, conflict string) error {
	names := make([]string, len(b.Columns))
	for i, c := range b.Columns {
		names[i] = c.Name
	}
	into := "INSERT INTO " + b.Table + " (" + strings.Join(names, ", ") + ") SELECT "
	for from := 0; from < b.Rows; from += rowsAtOnce {
		to := min(b.Rows, from+rowsAtOnce)
		take, rows, args := values(b.Columns, from, to)
		// "WHERE true" tells the parser that ON CONFLICT is not a join's ON.
		query := into + take + " FROM (" + rows + ") WHERE true " + conflict
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}

// values returns what to select, the VALUES to select it from, and their
// parameters in the order of the text.
func values(columns []store.Column, from, to int) (take, rows string, args []any) {
	var (
		selected []string
		varying  []store.Column
	)
	for _, c := range columns {
		if !constant(c, from, to) {
			varying = append(varying, c)
			selected = append(selected, fmt.Sprintf("column%d", len(varying)))
			continue
		}
		selected = append(selected, "?")
		args = append(args, value(c, from))
	}
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", len(varying)), ",") + "),"
	if len(varying) == 0 { // a single row
		row = "(0),"
	}
	for i := from; i < to; i++ {
		for _, c := range varying {
			args = append(args, value(c, i))
		}
	}
	return strings.Join(selected, ", "), "VALUES " + strings.TrimSuffix(strings.Repeat(row, to-from), ","), args
}

// constant tells whether the rows have one value in the column.
func constant(c store.Column, from, to int) bool {
	for i := from + 1; i < to; i++ {
		if !same(c, i, from) {
			return false
		}
	}
	return true
}

func same(c store.Column, i, j int) bool {
	switch {
	case c.Int != nil:
		return c.Int[i] == c.Int[j]
	case c.Time == nil:
		return c.Text[i] == c.Text[j]
	}
	a, b := c.Time[i], c.Time[j]
	return a == b || a != nil && b != nil && a.Equal(*b)
}

func value(c store.Column, i int) any {
	switch {
	case c.Int != nil:
		return c.Int[i]
	case c.Time != nil:
		if c.Time[i] == nil {
			return nil
		}
		return c.Time[i].Format(store.TimeLayout)
	case c.Null && c.Text[i] == "":
		return nil
	}
	return c.Text[i]
}
