package engine

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/processor/prune"
	"github.com/elasticcode/flow/processor/python"
	"github.com/elasticcode/flow/processor/shelf"
	"github.com/elasticcode/flow/processor/source"
)

// KeepCode says how long code is kept in the data directory that nobody uses.
type KeepCode time.Duration

// AddFlags adds --keep-code.
func (k *KeepCode) AddFlags(cmd *cobra.Command) {
	cmd.Flags().DurationVar((*time.Duration)(k), "keep-code", prune.DefaultKeep,
		"how long checkouts, environments and fetched commits are kept that nobody uses; 0 for ever. They are fetched again when they are needed")
}

// Pruner assembles what removes code from a data directory that nobody uses.
func (k KeepCode) Pruner(dir string, log *slog.Logger) (*prune.Pruner, error) {
	if k < 0 {
		return nil, flags.Valid(fmt.Errorf("--keep-code %s: give how long unused code is kept, as 72h, or 0 for ever", time.Duration(k)))
	}
	sources, err := source.New(source.Config{Dir: filepath.Join(dir, "sources"), Logger: log})
	if err != nil {
		return nil, err
	}
	environments := func(ctx context.Context, before time.Time, report func(shelf.Removed)) error {
		return python.Prune(ctx, filepath.Join(dir, "cache"), before, report)
	}
	return prune.New(prune.Config{Dir: dir, Keep: time.Duration(k), Caches: []prune.Cache{sources.Prune, environments}, Logger: log})
}

// PruneWith prunes when an agent has learnt from the server what it needs: what
// its plan names must not go because the server was away for long.
func PruneWith(ctx context.Context, p *prune.Pruner, ready <-chan struct{}) error {
	select {
	case <-ctx.Done():
		return nil
	case <-ready:
		return p.Run(ctx)
	}
}
