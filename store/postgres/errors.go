package postgres

import (
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Unavailable tells whether the server is down, goes down, comes up or is full.
func (driver) Unavailable(err error) bool {
	var (
		connect *pgconn.ConnectError
		network net.Error
		answer  *pgconn.PgError
	)
	switch {
	case errors.As(err, &answer):
		switch answer.Code {
		case "57P01", "57P02", "57P03", // shutdown, crash, starting up
			"58030", // the disk cannot be read or written
			"25006": // read only: this server is a standby, or being made one
			return true
		}
		// Connections that fail; a disk, a memory or a list of connections that is full.
		return strings.HasPrefix(answer.Code, "08") || strings.HasPrefix(answer.Code, "53")
	case errors.As(err, &connect), errors.As(err, &network):
		return true
	}
	for _, gone := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, sqldriver.ErrBadConn, sql.ErrConnDone} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return pgconn.SafeToRetry(err) || err != nil && strings.Contains(err.Error(), "conn closed")
}

func (driver) MissingTable(err error) bool { return hasCode(err, "42P01") }

// Deadlock also tells when rows were on their way to a default partition while
// the partition for them was made (the tables have no other checks).
func (driver) Deadlock(err error) bool {
	return hasCode(err, "40P01") || hasCode(err, "40001") || hasCode(err, "23514")
}

func hasCode(err error, code string) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code == code
}

// cause returns why a connection failed, without what was tried: the caller
// has said that, and it may hold more than should be shown.
func cause(err error) string {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return answer.Message
	}
	if network, ok := errors.AsType[*net.OpError](err); ok {
		return network.Error()
	}
	return err.Error()
}

// refused tells whether the database answered that it does not let us in: a wrong
// user or password (class 28), or no such database. Waiting does not change that.
func refused(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && (strings.HasPrefix(answer.Code, "28") || answer.Code == "3D000")
}

// withoutSecrets returns the text of an error about a URL without the URL's password.
func withoutSecrets(raw string, err error) string {
	text := err.Error()
	if u, e := url.Parse(raw); e == nil && u.User != nil {
		if password, ok := u.User.Password(); ok && password != "" {
			text = strings.ReplaceAll(text, password, "xxxxx")
		}
		return text
	}
	// A URL that cannot be read cannot be cleaned either.
	return "use postgres://user:password@host:port/database"
}
