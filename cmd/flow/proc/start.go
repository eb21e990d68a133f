package proc

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/factory"
)

// NewCmdStart returns "flow proc start".
func NewCmdStart(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	return newCmd(f, wish{"start", "Let a processor run", (*client.Client).StartProcessor}, runF)
}
