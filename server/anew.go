package server

import (
	"context"
	"time"

	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

// beginAnew tells a result store that can lose its memory when it has nothing to
// lose: before the first call was ever accepted. Otherwise its first seconds
// would look like those after a loss, in which repeats of calls have to wait.
// When that cannot be told now, it is left at that.
func (s *Server) beginAnew(ctx context.Context) {
	memory, ok := s.cfg.Results.(result.Memory)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	used, err := s.cfg.Store.HasCalls(ctx)
	if err != nil || used {
		return
	}
	// Calls may be known to the broker alone as yet.
	stats, err := s.cfg.Broker.Inspect(ctx, socket.Records)
	if err != nil || stats[0].Messages > 0 || stats[0].Unacked > 0 {
		return
	}
	if err := memory.BeginAnew(ctx); err != nil {
		s.log.Debug("the result store was not told that it is new", "err", err)
	}
}
