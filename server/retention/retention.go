// Package retention keeps the history of calls from growing without end: it
// removes calls that have ended and are too old, or too many, a few at a time.
package retention

import (
	"context"
	"log/slog"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

type history interface {
	Networks(ctx context.Context, l store.List) (model.Page[model.Network], error)
	PruneCalls(ctx context.Context, network string, before time.Time, limit int) (int, error)
	CreatedAtRank(ctx context.Context, network string, n int64) (time.Time, error)
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
	breath = 20 * time.Millisecond
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
	if r.cfg.Age == 0 && r.cfg.Calls == 0 {
		return nil
	}
	tick := time.NewTicker(r.cfg.Every)
	defer tick.Stop()
	for {
		n, err := r.Pass(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			r.log.Warn("history cannot be pruned now", "err", err)
		case n > 0:
			r.log.Info("history pruned", "calls", n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Pass prunes what is too old or too much now, in all networks, and tells how
// many calls that were.
func (r *Retention) Pass(ctx context.Context) (int, error) {
	total := 0
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
		if err != nil || n < batch {
			return total, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(breath):
		}
	}
	return total, nil
}
