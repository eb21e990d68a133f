package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/elasticcode/flow/store"
)

// OpenHeard is Open, and tells what the database has to say besides answers.
func OpenHeard(ctx context.Context, url string, heard func(*pgconn.Notice)) (*store.Store, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { heard(n) }
	return open(ctx, config)
}
