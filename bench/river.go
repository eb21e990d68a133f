package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// The settings of River's own benchmark: as many workers as there may be, and
// next to no pause between fetches. Two workers, as the others have, would be
// far slower; goroutines cost nothing.
const (
	riverWorkers  = 2000
	riverCooldown = 2 * time.Millisecond
	riverPoll     = 20 * time.Millisecond
)

type noopArgs struct {
	X string `json:"x"`
}

// Kind is how River calls the jobs.
func (noopArgs) Kind() string { return "noop" }

type noopWorker struct {
	river.WorkerDefaults[noopArgs]
	done atomic.Int64
}

// Work does nothing, as the functions of all the others do.
func (w *noopWorker) Work(context.Context, *river.Job[noopArgs]) error {
	w.done.Add(1)
	return nil
}

type riverRacer struct {
	b      *bench
	schema string
	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx]
	worker *noopWorker
}

func (b *bench) openRiver(ctx context.Context) (_ racer, err error) {
	r := &riverRacer{b: b, schema: b.prefix + "_river", worker: &noopWorker{}}
	if err := schema(ctx, b.urls.postgres, "CREATE SCHEMA "+r.schema); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if r.pool, err = pgxpool.New(ctx, with(b.urls.postgres, "search_path", r.schema)); err != nil {
		return nil, errors.New("PostgreSQL cannot be reached")
	}
	log := slog.New(slog.DiscardHandler)
	migrator, err := rivermigrate.New(riverpgxv5.New(r.pool), &rivermigrate.Config{Logger: log})
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, r.worker)
	client, err := river.NewClient(riverpgxv5.New(r.pool), &river.Config{
		Workers: workers, Logger: log, FetchCooldown: riverCooldown, FetchPollInterval: riverPoll,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}},
	})
	if err != nil {
		return nil, err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	r.client = client
	return r, nil
}

func (r *riverRacer) pids() []int { return nil }

// round inserts n jobs in bulk, and waits until all are completed in the table. Between
// rounds the queue is paused: to poll it costs the more, the more is in it, and the time
// is that of others.
func (r *riverRacer) round(ctx context.Context, n int) (done time.Time, err error) {
	var x string
	if err := json.Unmarshal([]byte(payload), &x); err != nil {
		return done, err
	}
	ran, before := r.worker.done.Load(), int64(0)
	if err := r.pool.QueryRow(ctx, "SELECT coalesce(max(id), 0) FROM river_job").Scan(&before); err != nil {
		return done, err
	}
	if err := r.client.QueueResume(ctx, river.QueueDefault, nil); err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, r.client.QueuePause(ctx, river.QueueDefault, nil)) }()
	for left := n; left > 0; left -= batchOf {
		jobs := make([]river.InsertManyParams, min(left, batchOf))
		for i := range jobs {
			jobs[i] = river.InsertManyParams{Args: noopArgs{x}}
		}
		if _, err := r.client.InsertManyFast(ctx, jobs); err != nil {
			return done, err
		}
	}
	err = until(ctx, roundLimit, time.Millisecond, func() (bool, error) { return r.worker.done.Load() >= ran+int64(n), nil })
	if err != nil {
		return done, err
	}
	err = until(ctx, roundLimit, 20*time.Millisecond, func() (bool, error) {
		var have int
		done = time.Now()
		err := r.pool.QueryRow(ctx, "SELECT count(*) FROM river_job WHERE state = 'completed' AND id > $1", before).Scan(&have)
		return have >= n, err
	})
	return done, err
}

func (r *riverRacer) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	if r.client != nil {
		errs = append(errs, r.client.Stop(ctx))
	}
	if r.pool != nil {
		r.pool.Close()
	}
	return errors.Join(append(errs, schema(ctx, r.b.urls.postgres, "DROP SCHEMA IF EXISTS "+r.schema+" CASCADE"))...)
}
