package up

import (
	"log/slog"
	"time"

	"github.com/elasticcode/flow/processor/prune"
	"github.com/elasticcode/flow/stack"
	"github.com/elasticcode/flow/store"
)

// parts is what was opened before serving begins.
type parts struct {
	dir      string
	services *stack.Stack
	db       *store.Store
	pruner   *prune.Pruner
	log      *slog.Logger
	began    time.Time
}
