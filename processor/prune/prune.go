// Package prune removes from this machine the code that nobody uses any more:
// checkouts, environments and fetched commits of processors that were updated or
// removed. What is in use, and by whom, the caches know (see package shelf); all
// that is removed can be had again.
package prune

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/elasticcode/flow/processor/filelock"
	"github.com/elasticcode/flow/processor/shelf"
)

// DefaultKeep is how long code is kept that is not used.
const DefaultKeep = 7 * 24 * time.Hour

// Cache removes from one cache what nobody uses now, nor has since the time, and
// reports each.
type Cache func(ctx context.Context, before time.Time, report func(shelf.Removed)) error

// Config is what a Pruner needs.
type Config struct {
	// Dir has the lock that lets one process at a time prune what several share.
	Dir string
	// Keep is how long code is kept that nobody uses; 0 is for ever.
	Keep   time.Duration
	Caches []Cache
	Logger *slog.Logger
	// Every is how often it looks. Default 1 hour.
	Every time.Duration
	// First is how long after the start it looks first, since a start has enough
	// to do. Default 10 minutes.
	First time.Duration
}

// passLimit bounds one pass; what is left is for the next one.
const passLimit = 30 * time.Minute

// Pruner prunes. Make one with New.
type Pruner struct {
	cfg Config
	log *slog.Logger
}

// New returns a Pruner that does nothing until Run.
func New(cfg Config) (*Pruner, error) {
	switch {
	case cfg.Keep < 0:
		return nil, fmt.Errorf("code cannot be kept for less than nothing: %s", cfg.Keep)
	case !filepath.IsAbs(cfg.Dir):
		return nil, fmt.Errorf("prune: folder %q must be an absolute path", cfg.Dir)
	}
	if cfg.Every == 0 {
		cfg.Every = time.Hour
	}
	if cfg.First == 0 {
		cfg.First = 10 * time.Minute
	}
	return &Pruner{cfg: cfg, log: cfg.Logger.With("component", "prune")}, nil
}

// Run prunes now and then until ctx ends.
func (p *Pruner) Run(ctx context.Context) error {
	if p.cfg.Keep == 0 {
		return nil
	}
	timer := time.NewTimer(p.cfg.First + rand.N(p.cfg.First/10+1))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		p.Pass(ctx)
		timer.Reset(p.cfg.Every)
	}
}

// Pass prunes once, unless another process does.
func (p *Pruner) Pass(ctx context.Context) {
	unlock, err := filelock.Try(filepath.Join(p.cfg.Dir, "prune.lock"))
	if errors.Is(err, filelock.ErrHeld) {
		return
	}
	if err != nil {
		p.log.WarnContext(ctx, "code that is not used cannot be removed now", "err", err)
		return
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(ctx, passLimit)
	defer cancel()
	before := time.Now().Add(-p.cfg.Keep)
	var count int
	var bytes int64
	for _, c := range p.cfg.Caches {
		err := c(ctx, before, func(r shelf.Removed) {
			count, bytes = count+1, bytes+r.Bytes
			attrs := []any{"kind", r.Kind, "path", r.Path, "freed", size(r.Bytes)}
			if !r.Used.IsZero() {
				attrs = append(attrs, "last_used", r.Used.UTC().Format(time.RFC3339))
			}
			p.log.InfoContext(ctx, "unused code removed", attrs...)
		})
		if err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "some code that is not used cannot be removed now; it is tried again", "err", err)
		}
	}
	if count > 0 {
		p.log.InfoContext(ctx, "unused code pruned", "removed", count, "freed", size(bytes))
	}
}

// size writes bytes as people read them.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.0f KiB", float64(bytes)/(1<<10))
}
