// Package engine assembles the parts that the long-running commands run: the
// services behind them, a server, an agent, and what a signal means to both.
package engine

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Signals returns the two contexts of stopping: the first SIGINT or SIGTERM
// ends drain (take no more, finish what runs), the second ends abort (abandon
// that too). stop releases the signals.
func Signals(parent context.Context, note func(format string, args ...any)) (drain, abort context.Context, stop func()) {
	drain, endDrain := context.WithCancel(parent)
	abort, endAbort := context.WithCancel(parent)
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	go func() {
		for range c {
			if drain.Err() == nil {
				note("stopping: calls that run may finish; once more to abandon them")
				endDrain()
			} else {
				note("abandoning what runs: it will be run again")
				endAbort()
			}
		}
	}()
	return drain, abort, func() {
		signal.Stop(c)
		close(c)
		endDrain()
		endAbort()
	}
}
