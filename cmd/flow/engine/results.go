package engine

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/flags"
)

// KeepResults says how long workers leave results in the backend.
type KeepResults time.Duration

// leastKept is longer than a broker needs to deliver again what a worker that died
// had: a copy of a call that has ended is known by its result.
const leastKept = time.Minute

// AddFlags adds --keep-results.
func (k *KeepResults) AddFlags(cmd *cobra.Command) {
	cmd.Flags().DurationVar((*time.Duration)(k), "keep-results", 24*time.Hour,
		"how long the backend keeps the results of calls, about half a kilobyte each; the history has them for longer")
}

// Check tells what is wrong with the duration.
func (k KeepResults) Check() error {
	if d := time.Duration(k); d < leastKept {
		return flags.Valid(fmt.Errorf("--keep-results %s: copies of a call that has ended are known by its result, so give %s or more", d, leastKept))
	}
	return nil
}
