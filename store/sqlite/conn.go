package sqlite

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
)

// keptStatements is how many inserts a connection keeps compiled: each table has
// one for each number of rows and each choice of columns that vary.
const keptStatements = 32

// keep is a last parameter that lets the connection keep the statement compiled.
type keep struct{}

// connector makes connections that know keep. The pool's own prepared statements
// will not do: they are compiled on a connection of the pool, and the only one
// is taken by the transaction that inserts.
type connector struct{ sqldriver.Connector }

// driverConn is what connections of the SQLite driver can do.
type driverConn interface {
	sqldriver.Conn
	sqldriver.ConnBeginTx
	sqldriver.ConnPrepareContext
	sqldriver.ExecerContext
	sqldriver.QueryerContext
	sqldriver.Pinger
	sqldriver.SessionResetter
	sqldriver.Validator
}

func (c connector) Connect(ctx context.Context) (sqldriver.Conn, error) {
	opened, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := opened.(driverConn)
	if !ok {
		return nil, errors.Join(errors.New("this is not the SQLite driver that was expected"), opened.Close())
	}
	return &conn{driverConn: inner, kept: map[string]*statement{}}, nil
}

// conn is a connection that keeps statements compiled. Only used by one
// goroutine at a time, as database/sql promises.
type conn struct {
	driverConn
	kept map[string]*statement // by text
	uses uint64
}

type statement struct {
	sqldriver.Stmt
	used uint64 // the conn's uses when it was used last
}

// CheckNamedValue lets keep through as it is.
func (c *conn) CheckNamedValue(v *sqldriver.NamedValue) error {
	if _, ok := v.Value.(keep); ok {
		return nil
	}
	return sqldriver.ErrSkip
}

// ExecContext runs a statement, which is kept compiled where the last parameter
// is keep.
func (c *conn) ExecContext(ctx context.Context, query string, args []sqldriver.NamedValue) (sqldriver.Result, error) {
	last := len(args) - 1
	if last < 0 {
		return c.driverConn.ExecContext(ctx, query, args)
	}
	if _, ok := args[last].Value.(keep); !ok {
		return c.driverConn.ExecContext(ctx, query, args)
	}
	s, err := c.compiled(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.Stmt.(sqldriver.StmtExecContext).ExecContext(ctx, args[:last])
}

// compiled returns the statement of that text.
func (c *conn) compiled(ctx context.Context, query string) (*statement, error) {
	s := c.kept[query]
	if s == nil {
		if err := c.makeRoom(); err != nil {
			return nil, err
		}
		made, err := c.PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		s = &statement{Stmt: made}
		c.kept[query] = s
	}
	c.uses++
	s.used = c.uses
	return s, nil
}

// makeRoom drops the statement that was not used for the longest time.
func (c *conn) makeRoom() error {
	if len(c.kept) < keptStatements {
		return nil
	}
	var oldest string
	for query, s := range c.kept {
		if old := c.kept[oldest]; old == nil || s.used < old.used {
			oldest = query
		}
	}
	s := c.kept[oldest]
	delete(c.kept, oldest)
	return s.Close()
}

// Close closes the connection and what it has kept.
func (c *conn) Close() error {
	var errs []error
	for _, s := range c.kept {
		errs = append(errs, s.Close())
	}
	clear(c.kept)
	return errors.Join(append(errs, c.driverConn.Close())...)
}
