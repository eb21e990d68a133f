// Package task is the commands around functions: run one, show it, print its
// source.
package task

import (
	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/group"
)

// NewCmd returns "flow task".
func NewCmd(f *factory.Factory) *cobra.Command {
	return group.New("task", "Run a function, or look at one",
		NewCmdRun(f, nil),
		NewCmdShow(f, nil),
		NewCmdCode(f, nil),
	)
}
