package sqlite

import (
	"context"
	"strconv"
	"strings"

	"github.com/elasticcode/flow/store"
)

// Rows are inserted by statements of mostRows rows, and what remains by such of
// fewer and fewer, each a quarter of the one before: there are few different
// statements, so that they can be kept compiled, and few runs. A run costs more
// than its rows do: pages that it changes are copied aside first.
const (
	mostRows = 256
	fewer    = 4
)

// Insert inserts the rows with statements of many VALUES, followed by the
// columns that are the same in all of them: those are given once.
func (driver) Insert(ctx context.Context, tx store.Execer, b store.Batch, conflict string) error {
	s := newShape(b)
	rows := mostRows
	for from := 0; from < b.Rows; from += rows {
		for rows > b.Rows-from {
			rows /= fewer
		}
		if _, err := tx.ExecContext(ctx, s.query(rows, conflict), s.args(from, rows)...); err != nil {
			return err
		}
	}
	return nil
}

// shape is a batch with its columns told apart.
type shape struct {
	table    string
	names    []string
	selected []string // for each column what to select: a parameter, or a column of the VALUES
	same     []store.Column
	varying  []store.Column
}

func newShape(b store.Batch) shape {
	s := shape{table: b.Table}
	for _, c := range b.Columns {
		s.names = append(s.names, c.Name)
		if constant(c, b.Rows) {
			s.same = append(s.same, c)
			s.selected = append(s.selected, "?")
			continue
		}
		s.varying = append(s.varying, c)
		s.selected = append(s.selected, "column"+strconv.Itoa(len(s.varying)))
	}
	return s
}

// query is the statement that inserts that many rows.
func (s shape) query(rows int, conflict string) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", len(s.varying)), ",") + "),"
	if len(s.varying) == 0 { // a single row
		row = "(0),"
	}
	// "WHERE true" tells the parser that ON CONFLICT is not a join's ON.
	return "INSERT INTO " + s.table + " (" + strings.Join(s.names, ", ") + ") SELECT " + strings.Join(s.selected, ", ") +
		" FROM (VALUES " + strings.TrimSuffix(strings.Repeat(row, rows), ",") + ") WHERE true " + conflict
}

// args are the parameters of the statement for the rows that begin at from.
func (s shape) args(from, rows int) []any {
	args := make([]any, 0, len(s.same)+rows*len(s.varying)+1)
	for _, c := range s.same {
		args = append(args, value(c, from))
	}
	for i := from; i < from+rows; i++ {
		for _, c := range s.varying {
			args = append(args, value(c, i))
		}
	}
	return append(args, keep{})
}

// constant tells whether all rows have one value in the column.
func constant(c store.Column, rows int) bool {
	for i := 1; i < rows; i++ {
		if !same(c, i, 0) {
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
