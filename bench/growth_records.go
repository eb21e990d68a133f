package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/elasticcode/flow/client"
)

// busy has half of the records, the other sockets share the rest: a listing is
// measured of both.
var (
	busy  = many(0).Name
	quiet = many(1).Name
)

// writeRecords is a part of the records: calls that succeeded, at even distances
// within the days before now, with the ids that they would have (version 7: an
// id begins with the time). $1 and $2 are the first and the last, $3 is how many
// there are in all.
const writeRecords = `INSERT INTO calls (id, tracking, network, socket, queue, processor, module, task, commit_hash, plug, argument, joined,
  state, attempt, progress, parents, args, kwargs, result, origin, node, worker, created, received, started, finished)
SELECT hex || '-7' || substr(rest, 1, 3) || '-8' || substr(rest, 4, 3) || '-' || substr(rest, 7, 12),
  hex || '-8' || substr(rest, 13, 3) || '-8' || substr(rest, 16, 3) || '-' || substr(rest, 19, 12),
  'default', 'many.' || lpad((CASE WHEN n % 2 = 0 THEN 0 ELSE 1 + n / 2 % 39 END)::text, 4, '0'), 'many000', 'bench', 'bench_functions',
  'step' || lpad((CASE WHEN n % 2 = 0 THEN 0 ELSE 1 + n / 2 % 39 END)::text, 2, '0'), repeat('0', 40), '', '', '',
  'succeeded', 1, 2147483647, NULL, $4, NULL, $5, 'admin', 'node', 'node.bench.1', at, at, at, at + interval '1 millisecond'
FROM (
  SELECT n, at, md5(n::text) AS rest,
    substr(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0'), 1, 8) || '-' ||
    substr(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0'), 9, 4) AS hex
  FROM (SELECT n, now() - interval '20 days' * (1 - n / $3::float8) - interval '1 minute' AS at FROM generate_series($1::bigint, $2::bigint) AS n) AS series
) AS records`

// recordSize is what a record of this size takes on disk with its indexes and
// the log of the database at most; spare is what is left for others.
const (
	recordSize = 3 << 10
	spare      = 10 << 30
)

// growRecords measures with a history of many calls.
func (b *bench) growRecords(ctx context.Context, r *report, f *flow, _ func(string) bool) error {
	if err := f.process(ctx, pythonFunctions()); err != nil {
		return fmt.Errorf("declare the processor: %w", err)
	}
	if err := f.one(ctx); err != nil {
		return err
	}
	if _, err := f.more(ctx, 0, chainLength, b.growth.declare); err != nil {
		return err
	}
	if _, err := f.round(ctx, 500); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	if err := f.b.fill(ctx, b.growth.records); err != nil {
		return err
	}
	for range b.growth.rounds {
		rate, cpu, err := race(ctx, f, b.growth.calls)
		if err != nil {
			return err
		}
		r.grown("growth_records", "growth_records", "calls/s", rate, cpu)
		fmt.Fprintf(os.Stderr, "%-32s %8.0f calls/s  CPU µs/call: %v\n", "growth_records", rate, cpu)
	}
	for name, socket := range map[string]string{"growth_records_list_busy": busy, "growth_records_list": quiet} {
		for range 5 {
			began := time.Now()
			page, err := f.api.Calls(ctx, client.CallFilter{Socket: socket, Limit: 50})
			if err != nil {
				return fmt.Errorf("list calls: %w", err)
			}
			if len(page.Items) != 50 {
				return fmt.Errorf("list calls: %d of 50 came", len(page.Items))
			}
			r.add(name, "ms", time.Since(began).Seconds()*1000)
		}
	}
	return nil
}

// fill writes the records, in parts, until the limit of time is over.
func (b *bench) fill(ctx context.Context, n int) error {
	limit := b.growth.inserted
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	db, err := pgx.Connect(ctx, with(b.urls.postgres, "search_path", b.prefix))
	if err != nil {
		return errors.New("PostgreSQL cannot be reached")
	}
	defer db.Close(context.WithoutCancel(ctx))
	if err := roomFor(ctx, db, int64(n)); err != nil {
		return err
	}
	const part = 50_000
	began := time.Now()
	for from := 0; from < n; from += part {
		_, err := db.Exec(ctx, writeRecords, from, min(from+part, n)-1, n, "["+payload+"]", "null")
		if ctx.Err() != nil {
			return fmt.Errorf("only %d of %d records were written within %s", from, n, limit)
		}
		if err != nil {
			return fmt.Errorf("write records: %w", err)
		}
	}
	fmt.Fprintf(os.Stderr, "%-32s %d records written in %.0f s\n", "growth_records", n, time.Since(began).Seconds())
	// As autovacuum does it after a while.
	tidying, done := context.WithTimeout(context.WithoutCancel(ctx), roundLimit)
	defer done()
	if _, err := db.Exec(tidying, "VACUUM (ANALYZE) calls"); err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}
	return nil
}

// roomFor tells when the disk of the database has no room for n records, where
// the database is on this machine.
func roomFor(ctx context.Context, db *pgx.Conn, n int64) error {
	var dir string
	if err := db.QueryRow(ctx, "SHOW data_directory").Scan(&dir); err != nil {
		return fmt.Errorf("ask where the database is: %w", err)
	}
	for dir = strings.TrimRight(dir, "/"); dir != ""; dir = dir[:strings.LastIndexByte(dir, '/')] {
		var fs syscall.Statfs_t
		if err := syscall.Statfs(dir, &fs); err != nil {
			continue // not ours to look into, or not here
		}
		free, need := int64(fs.Bavail)*int64(fs.Bsize), n*recordSize+spare
		if n >= 1_000_000 && free < need {
			return fmt.Errorf("%d records need %d GB of disk, %d are free", n, need>>30, free>>30)
		}
		return nil
	}
	return nil
}
