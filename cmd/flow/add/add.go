// Package add is the commands that declare objects.
package add

import (
	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/group"
)

// NewCmd returns "flow add".
func NewCmd(f *factory.Factory) *cobra.Command {
	return group.New("add", "Add an object",
		NewCmdNetwork(f, nil),
		NewCmdQueue(f, nil),
		NewCmdProcessor(f, nil),
		NewCmdSocket(f, nil),
		NewCmdPlug(f, nil),
		NewCmdDeployment(f, nil),
		NewCmdToken(f, nil),
	)
}
