package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/elasticcode/flow/model"
)

// mostKept is how many calls may stay of a part that is dropped: they are copied
// while nobody can read or write the history.
const mostKept = 1000

// lookAgain is after how long a part is looked at again that has more of them:
// to find out, all of it may have to be read.
const lookAgain = 6 * time.Hour

// Expire drops the parts that are wholly from before the time. A part is first
// detached, with the copies of what stays in one transaction, so that nothing
// that stays is ever away; what else there is to do needs no lock that anybody
// waits for, and goes on from where it was when the program ended in between.
func (d driver) Expire(ctx context.Context, db *sql.DB, before time.Time, merge string) (int, error) {
	total := 0
	err := d.alone(ctx, db, func(conn *sql.Conn) error {
		old, err := detached(ctx, conn)
		if err != nil {
			return err
		}
		for _, suffix := range old {
			n, err := d.finish(ctx, conn, suffix, before, []string{}, merge)
			total += n
			if err != nil {
				return fmt.Errorf("partition %s: %w", suffix, err)
			}
		}
		all, err := parts(ctx, conn)
		for _, p := range all {
			if p.to > idAt(before) || d.crowded(p.suffix, time.Now()) {
				continue
			}
			n, err := d.drop(ctx, conn, p.suffix, before, merge)
			total += n
			if err != nil {
				return fmt.Errorf("partition %s: %w", p.suffix, err)
			}
		}
		return err
	})
	return total, err
}

// stays tells which calls are not to be removed: those PruneCalls leaves. $1 is
// the time before which it removes.
const stays = "(finished IS NULL OR state = '" + string(model.Dead) + "' OR created >= $1)"

func (d driver) drop(ctx context.Context, conn *sql.Conn, suffix string, before time.Time, merge string) (int, error) {
	keep, err := texts(ctx, conn, fmt.Sprintf("SELECT id FROM calls_%s WHERE %s LIMIT %d", suffix, stays, mostKept+1), before)
	if err != nil {
		return 0, err
	}
	if len(keep) > mostKept {
		d.waiting.Store(suffix, time.Now())
		return 0, nil
	}
	err = patiently(ctx, conn, func(tx *sql.Tx) error {
		for _, t := range tables {
			if _, err := tx.ExecContext(ctx, fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %[1]s_%s", t.name, suffix)); err != nil {
				return err
			}
		}
		return restore(ctx, tx, suffix, keep, "")
	})
	if err != nil {
		return 0, err
	}
	return d.finish(ctx, conn, suffix, before, keep, merge)
}

// crowded tells whether the part had too many calls that stay, not long ago.
func (d driver) crowded(suffix string, now time.Time) bool {
	at, ok := d.waiting.Load(suffix)
	return ok && now.Sub(at.(time.Time)) < lookAgain
}

// restore copies calls of a detached part, with all that belongs to them, back
// into the history.
func restore(ctx context.Context, tx *sql.Tx, suffix string, ids []string, merge string) error {
	for _, t := range tables {
		if len(ids) == 0 {
			return nil
		}
		end := "ON CONFLICT DO NOTHING"
		if t.name == "calls" {
			end = merge
		}
		//nolint:unqueryvet // a partition has the columns of its table
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO %s SELECT * FROM %[1]s_%s WHERE %s = ANY($1) %s", t.name, suffix, t.key, end), ids); err != nil {
			return err
		}
	}
	return nil
}

// detached lists the parts that were detached and not dropped.
func detached(ctx context.Context, conn *sql.Conn) ([]string, error) {
	return texts(ctx, conn, `SELECT substr(c.relname, 7) FROM pg_class c JOIN pg_class calls ON calls.oid = 'calls'::regclass AND calls.relnamespace = c.relnamespace
		WHERE c.relkind = 'r' AND NOT c.relispartition AND c.relname ~ '^calls_([0-9]{8}|first)$' ORDER BY 1`)
}

// finish removes a detached part. Calls that began to stay while it was being
// detached (they were reopened, say) are brought back before, as far as they are
// not among those that were kept.
func (d driver) finish(ctx context.Context, conn *sql.Conn, suffix string, before time.Time, kept []string, merge string) (int, error) {
	var count int
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM calls_"+suffix).Scan(&count); err != nil {
		return 0, err
	}
	late, err := texts(ctx, conn, fmt.Sprintf("SELECT id FROM calls_%s WHERE %s AND NOT id = ANY($2)", suffix, stays), before, kept)
	if err != nil {
		return 0, err
	}
	if err := gently(ctx, conn, func(tx *sql.Tx) error {
		if err := restore(ctx, tx, suffix, late, merge); err != nil || len(late) == 0 {
			return err
		}
		return d.KeepStates(ctx, tx, late)
	}); err != nil {
		return 0, err
	}
	for _, t := range []string{"call_blobs", "dead_letters", "call_states"} {
		if err := forget(ctx, conn, t, suffix); err != nil {
			return 0, err
		}
	}
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("DROP TABLE calls_%s, call_parents_%[1]s, call_logs_%[1]s, events_%[1]s", suffix)); err != nil {
		return 0, err
	}
	return count - len(kept) - len(late), nil
}

// forget removes the rows of a table that belong to calls of a detached part and
// to none that is still there: a few at a time, others write to the table.
func forget(ctx context.Context, conn *sql.Conn, name, suffix string) error {
	const few, breath = 500, 20 * time.Millisecond
	for after := ""; ; {
		ids, err := texts(ctx, conn, fmt.Sprintf(`SELECT DISTINCT call_id FROM %s WHERE call_id > $1 AND call_id <= (SELECT max(id) FROM calls_%s)
			AND call_id >= (SELECT min(id) FROM calls_%[2]s) ORDER BY call_id LIMIT %d`, name, suffix, few), after)
		if err != nil || len(ids) == 0 {
			return err
		}
		after = ids[len(ids)-1]
		_, err = conn.ExecContext(ctx, fmt.Sprintf(`DELETE FROM %s t WHERE call_id = ANY($1) AND (SELECT 1 FROM calls_%s d WHERE d.id = t.call_id) = 1
			AND (SELECT 1 FROM calls c WHERE c.id = t.call_id) IS NULL`, name, suffix), ids)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(breath):
		}
	}
}

// texts returns the one column of a query.
func texts(ctx context.Context, q querier, query string, args ...any) ([]string, error) {
	out := []string{}
	err := each(ctx, q, func(rows *sql.Rows) error {
		var s string
		err := rows.Scan(&s)
		out = append(out, s)
		return err
	}, query, args...)
	return out, err
}
