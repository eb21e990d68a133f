package task

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
)

// ShowOptions are the options of "flow task show".
type ShowOptions struct {
	*factory.Factory
	Name   string
	Format print.Format
}

// NewCmdShow returns "flow task show".
func NewCmdShow(f *factory.Factory, runF func(context.Context, *ShowOptions) error) *cobra.Command {
	o := &ShowOptions{Factory: f}
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show a function: its arguments and what it says of itself",
		Example: "  flow task show do_this\n  flow task show -n pyfi.processors.sample.do_this -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return showRun(cmd.Context(), o)
		},
	}
	flags.Name(cmd, f, &o.Name, "task", complete.Tasks)
	flags.Output(cmd, &o.Format)
	return cmd
}

func showRun(ctx context.Context, o *ShowOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	t, err := c.Tasks().Get(ctx, o.Name)
	if err != nil {
		return err
	}
	p := o.Printer(o.Format)
	return print.One(p, view.Tasks(), t, func() error {
		if doc := strings.TrimSpace(t.Doc); doc != "" {
			p.Heading("About")
			for l := range strings.SplitSeq(doc, "\n") {
				fmt.Fprintln(o.Out, print.Line(l))
			}
		}
		if len(t.Arguments) == 0 {
			return nil
		}
		p.Heading("Arguments")
		return print.Rows(p, view.Arguments(), t.Arguments)
	})
}
