// Package update is the commands that change objects. Only what is given on the
// command line changes.
package update

import (
	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/group"
)

// NewCmd returns "flow update".
func NewCmd(f *factory.Factory) *cobra.Command {
	return group.New("update", "Change an object",
		NewCmdQueue(f, nil),
		NewCmdProcessor(f, nil),
		NewCmdSocket(f, nil),
		NewCmdPlug(f, nil),
		NewCmdDeployment(f, nil),
	)
}
