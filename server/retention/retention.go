// Package retention keeps the history of calls from growing without end: it
// removes calls that have ended and are too old, or too many, and the large
// values that no call has any more. Whole days go at once where the database
// keeps days apart (PostgreSQL does); the rest goes a few calls at a time. It also
// prepares the database for the days to come.
package retention

import (
	"context"
	"log/slog"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

type history interface {
	MakeDays(ctx context.Context, now, until time.Time, width time.Duration) error
	DropDays(ctx context.Context, before time.Time) (int, error)
	Networks(ctx context.Context, l store.List) (model.Page[model.Network], error)
	PruneCalls(ctx context.Context, network string, before time.Time, limit int) (int, error)
	CreatedAtRank(ctx context.Context, network string, n int64) (time.Time, error)
	SweepBlobs(ctx context.Context, before time.Time, after string, limit int) (last string, removed int, err error)
	ReleaseBlobs(ctx context.Context, before time.Time, limit int) (int, error)
}

// Config says what is kept.
type Config struct {
	History history
	// Age is how long ended calls are kept; 0 keeps them for ever.
	Age time.Duration
	// Calls is how many calls of a network are kept; 0 keeps any number.
	Calls  int64
	Logger *slog.Logger
	// Every is how often it looks. Default 10 minutes.
	Every time.Duration
}

// Retention prunes. Make one with New.
type Retention struct {
	cfg Config
	log *slog.Logger
}

// The pace of pruning: batches small enough to hold no lock for long, with a
// breath in between.
const (
	batch  = 500
	values = 50 // large ones
	breath = 20 * time.Millisecond
	// valueAge is how old a large value is before it is removed because no call
	// has it: the record of one may be on its way. Results are kept as long.
	valueAge = 24 * time.Hour
	// strayAge is how old one is before a call that the history does not know
	// holds it no more: it may wait in its queue.
	strayAge = 30 * 24 * time.Hour
)

// How the history is kept apart.
const (
	day = 24 * time.Hour
	// ahead is how far the database is prepared for: as long may retention fail.
	ahead = 3 * day
	// A history that is kept for long, or for ever, is in parts of months: every
	// part is one more for the database to look into.
	longAge = 100 * day
	month   = 30 * day
)

// New returns a retention that does nothing until Run.
func New(cfg Config) *Retention {
	if cfg.Every == 0 {
		cfg.Every = 10 * time.Minute
	}
	return &Retention{cfg: cfg, log: cfg.Logger.With("component", "retention")}
}

// Run prunes regularly until ctx ends.
func (r *Retention) Run(ctx context.Context) error {
	tick := time.NewTicker(r.cfg.Every)
	defer tick.Stop()
	for {
		r.Ahead(ctx)
		n, err := r.Pass(ctx)
		swept := 0
		if err == nil {
			swept, err = r.sweep(ctx, time.Now())
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			r.log.Warn("history cannot be pruned now", "err", err)
		case n > 0 || swept > 0:
			r.log.Info("history pruned", "calls", n, "large_values", swept)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Ahead prepares the database for the calls of the next days. What fails is tried
// again in the next round; calls are kept without it, too.
func (r *Retention) Ahead(ctx context.Context) {
	now, width := time.Now(), day
	if r.cfg.Age == 0 || r.cfg.Age > longAge {
		width = month
	}
	if err := r.cfg.History.MakeDays(ctx, now, now.Add(ahead), width); err != nil && ctx.Err() == nil {
		r.log.Warn("the history cannot be prepared for the next days now", "err", err)
	}
}

// Pass prunes what is too old or too much now, in all networks, and tells how
// many calls that were.
func (r *Retention) Pass(ctx context.Context) (int, error) {
	total := 0
	if r.cfg.Age > 0 {
		n, err := r.cfg.History.DropDays(ctx, time.Now().Add(-r.cfg.Age))
		if total += n; err != nil && ctx.Err() == nil { // somebody reads or writes them: one by one they go, too
			r.log.Warn("days of the history cannot be dropped now", "err", err)
		}
	}
	for cursor := ""; ; {
		page, err := r.cfg.History.Networks(ctx, store.List{Cursor: cursor, Limit: 100})
		if err != nil {
			return total, err
		}
		for _, n := range page.Items {
			pruned, err := r.network(ctx, n.Name)
			total += pruned
			if err != nil {
				return total, err
			}
		}
		if cursor = page.Next; cursor == "" {
			return total, nil
		}
	}
}

// sweep removes the large values that nobody has or brought for a while before
// the time, and tells how many they were.
func (r *Retention) sweep(ctx context.Context, now time.Time) (int, error) {
	for n := batch; n == batch; {
		var err error
		if n, err = r.cfg.History.ReleaseBlobs(ctx, now.Add(-strayAge), batch); err != nil {
			return 0, err
		}
		if err := r.rest(ctx); err != nil {
			return 0, err
		}
	}
	total := 0
	for after := ""; ; {
		last, n, err := r.cfg.History.SweepBlobs(ctx, now.Add(-valueAge), after, values)
		total += n
		if after = last; err != nil || after == "" || r.rest(ctx) != nil {
			return total, err
		}
	}
}

// rest lets others work for a moment.
func (r *Retention) rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(breath):
		return nil
	}
}

func (r *Retention) network(ctx context.Context, name string) (int, error) {
	before := time.Time{}
	if r.cfg.Age > 0 {
		before = time.Now().Add(-r.cfg.Age)
	}
	if r.cfg.Calls > 0 {
		at, err := r.cfg.History.CreatedAtRank(ctx, name, r.cfg.Calls-1)
		if err != nil {
			return 0, err
		}
		if at.After(before) {
			before = at
		}
	}
	if before.IsZero() {
		return 0, nil
	}
	total := 0
	for ctx.Err() == nil {
		n, err := r.cfg.History.PruneCalls(ctx, name, before, batch)
		total += n
		if err != nil || n < batch || r.rest(ctx) != nil {
			return total, err
		}
	}
	return total, nil
}
