// Package proc is the commands that say whether a processor should run.
package proc

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/group"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// NewCmd returns "flow proc".
func NewCmd(f *factory.Factory) *cobra.Command {
	return group.New("proc", "Start and stop processors",
		NewCmdStart(f, nil),
		NewCmdStop(f, nil),
		NewCmdRestart(f, nil),
	)
}

// Options are the options of the "flow proc" commands.
type Options struct {
	*factory.Factory
	Name   string
	Format print.Format
}

// wish is what the commands differ in.
type wish struct {
	verb, short string
	do          func(*client.Client, context.Context, string) (model.Processor, error)
}

func newCmd(f *factory.Factory, w wish, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{Factory: f}
	cmd := &cobra.Command{
		Use: w.verb, Short: w.short,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return procRun(cmd.Context(), o, w)
		},
	}
	flags.Name(cmd, f, &o.Name, "processor", complete.Processors)
	flags.Done(cmd, &o.Format)
	return cmd
}

func procRun(ctx context.Context, o *Options, w wish) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	p, err := w.do(c, ctx, o.Name)
	if err != nil {
		return err
	}
	return print.Changed(o.Printer(o.Format), view.Processors(), p, fmt.Sprintf("processor %s: %s requested", p.Name, w.verb))
}
