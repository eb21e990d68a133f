// Package call is the commands about one call that has not ended.
package call

import (
	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/group"
)

// NewCmd returns "flow call".
func NewCmd(f *factory.Factory) *cobra.Command {
	return group.New("call", "Cancel a call", NewCmdCancel(f, nil))
}
