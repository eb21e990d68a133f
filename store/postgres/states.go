package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

var _ store.StateKeeper = driver{}

// InsertCalls writes calls and, of those that have not succeeded, their states. It
// deletes those of the others with a statement of its own, which also finds what
// another transaction wrote while this one waited for its locks.
func (driver) InsertCalls(ctx context.Context, tx store.Queryer, b store.Batch, conflict string) error {
	insert, args := insertion(b, conflict)
	others := map[string]bool{}
	err := each(ctx, tx, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		others[id] = true
		return err
	}, "WITH written AS ("+insert+" RETURNING id, network, socket, state, created), "+
		`others AS (SELECT id, network, socket, state, created FROM written WHERE state <> '`+string(model.Succeeded)+`'),
		kept AS (INSERT INTO call_states (call_id, network, socket, state, created) SELECT id, network, socket, state, created FROM others
			ON CONFLICT (call_id) DO UPDATE SET network = excluded.network, socket = excluded.socket, state = excluded.state, created = excluded.created
			WHERE (call_states.network, call_states.socket, call_states.state, call_states.created) <> (excluded.network, excluded.socket, excluded.state, excluded.created))
		SELECT id FROM others`, args...)
	if err != nil {
		return err
	}
	var ended []string
	for _, c := range b.Columns {
		if c.Name == "id" {
			ended = slices.DeleteFunc(slices.Clone(c.Text), func(id string) bool { return others[id] })
		}
	}
	if len(ended) > 0 {
		_, err = tx.ExecContext(ctx, "DELETE FROM call_states WHERE call_id = ANY($1::text[])", ended)
	}
	return err
}

// KeepStates says anew what is said of the calls: each is looked up by id, in one
// partition. Whoever calls it has the calls locked, and so nobody else says
// anything of them meanwhile.
func (driver) KeepStates(ctx context.Context, tx store.Execer, ids []string) error {
	for _, statement := range []string{
		"DELETE FROM call_states WHERE call_id = ANY($1::text[])",
		// OFFSET 0 keeps PostgreSQL from joining with all partitions (see store.ofCall).
		`INSERT INTO call_states (call_id, network, socket, state, created)
			SELECT c.id, c.network, c.socket, c.state, c.created FROM unnest($1::text[]) AS ids (id),
			LATERAL (SELECT id, network, socket, state, created FROM calls WHERE calls.id = ids.id OFFSET 0) AS c
			WHERE c.state <> '` + string(model.Succeeded) + `'`,
	} {
		if _, err := tx.ExecContext(ctx, statement, ids); err != nil {
			return fmt.Errorf("keep the states of calls: %w", err)
		}
	}
	return nil
}
