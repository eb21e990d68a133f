package proc

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/factory"
)

// NewCmdStop returns "flow proc stop".
func NewCmdStop(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	return newCmd(f, wish{"stop", "Stop a processor; calls wait in its queues", (*client.Client).StopProcessor}, runF)
}
