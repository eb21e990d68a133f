package postgres

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/elasticcode/flow/store"
)

var _ store.Appender = driver{}

// Append inserts the rows with COPY, which takes two thirds of the database's time
// that merging takes. Who else is writing a row of the same key is waited for, as
// with any insert.
func (driver) Append(ctx context.Context, db *sql.DB, batches []store.Batch) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // gives it back
	return conn.Raw(func(raw any) error {
		c := raw.(*stdlib.Conn).Conn()
		return pgx.BeginFunc(ctx, c, func(pgx.Tx) error {
			for _, b := range batches {
				if _, err := c.PgConn().CopyFrom(ctx, newCopyReader(b), copyInto(b)); err != nil {
					return fmt.Errorf("append to %s: %w", b.Table, err)
				}
			}
			return nil
		})
	})
}

// Taken tells that a unique index refused a row.
func (driver) Taken(err error) bool { return hasCode(err, "23505") }

// Known looks each id up in the index. Another form of the question could make
// PostgreSQL look into all partitions, or read one from end to end (see store.ofCall).
func (driver) Known(ctx context.Context, db *sql.DB, ids []string) ([]string, error) {
	const query = "SELECT id FROM unnest($1::text[]) AS ids (id) WHERE (SELECT 1 FROM calls WHERE calls.id = ids.id) IS NOT NULL"
	rows, err := db.QueryContext(ctx, query, ids)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, rows.Err()
}

func copyInto(b store.Batch) string {
	names := make([]string, len(b.Columns))
	for i, c := range b.Columns {
		names[i] = c.Name
	}
	return "COPY " + b.Table + " (" + strings.Join(names, ", ") + ") FROM STDIN (FORMAT binary)"
}

// copyReader is the rows of a batch in COPY's binary format, made as they are read.
type copyReader struct {
	batch store.Batch
	next  int // row
	made  []byte
	read  int // of made
	ended bool
}

// copyHeader is a signature, no flags, and an extension of no length.
const copyHeader = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

func newCopyReader(b store.Batch) *copyReader { return &copyReader{batch: b, made: []byte(copyHeader)} }

// Read implements io.Reader.
func (r *copyReader) Read(p []byte) (int, error) {
	r.made, r.read = append(r.made[:0], r.made[r.read:]...), 0
	for ; len(r.made) < len(p) && r.next < r.batch.Rows; r.next++ {
		r.made = appendRow(r.made, r.batch.Columns, r.next)
	}
	if r.next == r.batch.Rows && !r.ended {
		r.ended = true
		r.made = binary.BigEndian.AppendUint16(r.made, 1<<16-1) // no more rows
	}
	r.read = copy(p, r.made)
	if r.read == 0 {
		return 0, io.EOF
	}
	return r.read, nil
}

// null is the length of what is null.
const null = 1<<32 - 1

func appendRow(to []byte, columns []store.Column, row int) []byte {
	to = binary.BigEndian.AppendUint16(to, uint16(len(columns)))
	for _, c := range columns {
		switch {
		case c.Int != nil:
			to = appendInt(to, c.Int[row])
		case c.Time != nil:
			if t := c.Time[row]; t != nil {
				to = appendInt(to, t.UnixMicro()-y2k)
			} else {
				to = binary.BigEndian.AppendUint32(to, null)
			}
		case c.Null && c.Text[row] == "":
			to = binary.BigEndian.AppendUint32(to, null)
		default:
			to = binary.BigEndian.AppendUint32(to, uint32(len(c.Text[row])))
			to = append(to, c.Text[row]...)
		}
	}
	return to
}

func appendInt(to []byte, n int64) []byte {
	to = binary.BigEndian.AppendUint32(to, 8)
	return binary.BigEndian.AppendUint64(to, uint64(n))
}

// y2k is from when PostgreSQL counts microseconds.
var y2k = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
