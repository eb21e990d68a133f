package ls

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
)

func newCmdOne(f *factory.Factory, kind, short string, names complete.Names, runF, run func(context.Context, *OneOptions) error) *cobra.Command {
	o := &OneOptions{Factory: f}
	cmd := &cobra.Command{
		Use: kind, Short: short,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return run(cmd.Context(), o)
		},
	}
	flags.Name(cmd, f, &o.Name, kind, names)
	flags.Output(cmd, &o.Format)
	return cmd
}
