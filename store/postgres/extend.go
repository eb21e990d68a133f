package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// mostMoved is how many rows that came before their partition are moved into it,
// while nobody can write to the default partition.
const mostMoved = 10_000

// Extend makes the partitions from the day of now to until, where there are none
// yet. Days that have too many rows in the default partition stay there.
func (d driver) Extend(ctx context.Context, db *sql.DB, now, until time.Time, width time.Duration) error {
	return d.alone(ctx, db, func(conn *sql.Conn) error {
		have, err := parts(ctx, conn)
		if err != nil {
			return err
		}
		var failed []error
		for _, p := range missing(have, now, until, width) {
			if err := patiently(ctx, conn, func(tx *sql.Tx) error { return add(ctx, tx, p) }); err != nil {
				failed = append(failed, fmt.Errorf("partition %s: %w", p.suffix, err))
			}
		}
		return errors.Join(failed...)
	})
}

// missing returns the parts that are to be made: whole days, of the width where
// there is room for it.
func missing(have []part, now, until time.Time, width time.Duration) []part {
	width = max(width.Truncate(day), day)
	var out []part
	for at := now.UTC().Truncate(day); at.Before(until); {
		end, covered := at.Add(width), false
		for _, p := range have {
			switch from, to := idAt(at), idAt(end); {
			case p.from <= from && from < p.to:
				t, err := timeOf(p.to)
				covered, at = err == nil, t
				if err != nil { // not made here; its days are covered one by one
					covered, at = true, at.Add(day)
				}
			case from < p.from && p.from < to:
				if t, err := timeOf(p.from); err == nil {
					end = t
				}
			}
			if covered {
				break
			}
		}
		if covered {
			continue
		}
		out = append(out, part{suffix: at.Format("20060102"), from: idAt(at), to: idAt(end)})
		at = end
	}
	return out
}

// add makes the partitions of a part. Rows of it that are in the default
// partitions already move.
func add(ctx context.Context, tx *sql.Tx, p part) error {
	for _, t := range tables {
		within := fmt.Sprintf("%s >= '%s' AND %s < '%s'", t.key, p.from, t.key, p.to)
		if _, err := tx.ExecContext(ctx, "LOCK TABLE "+t.name+"_rest IN ACCESS EXCLUSIVE MODE"); err != nil {
			return err
		}
		var early int
		const count = "SELECT count(*) FROM (SELECT 1 FROM %s_rest WHERE %s LIMIT %d) AS early"
		if err := tx.QueryRowContext(ctx, fmt.Sprintf(count, t.name, within, mostMoved+1)).Scan(&early); err != nil {
			return err
		}
		if early > mostMoved {
			return fmt.Errorf("over %d rows of it are in table %s_rest already; they stay there and are removed one by one", mostMoved, t.name)
		}
		name := t.name + "_" + p.suffix
		for _, statement := range []string{
			fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS) WITH (%s)", name, t.name, t.storage),
			//nolint:unqueryvet // a partition has the columns of its table
			fmt.Sprintf("WITH early AS (DELETE FROM %s_rest WHERE %s RETURNING *) INSERT INTO %s SELECT * FROM early", t.name, within, name),
			fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')", t.name, name, p.from, p.to),
		} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
	}
	return nil
}
