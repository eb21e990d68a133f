package proc

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/factory"
)

// NewCmdRestart returns "flow proc restart".
func NewCmdRestart(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	return newCmd(f, wish{"restart", "Replace a processor's workers by new ones", (*client.Client).RestartProcessor}, runF)
}
