// Package run is the commands about all calls of a run.
package run

import (
	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/group"
)

// NewCmd returns "flow run".
func NewCmd(f *factory.Factory) *cobra.Command {
	return group.New("run", "Cancel a run", NewCmdCancel(f, nil))
}
