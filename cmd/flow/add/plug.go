package add

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// PlugOptions are the options of "flow add plug".
type PlugOptions struct {
	*factory.Factory
	Name   string
	Edge   flags.Edge
	Format print.Format
}

// NewCmdPlug returns "flow add plug".
func NewCmdPlug(f *factory.Factory, runF func(context.Context, *PlugOptions) error) *cobra.Command {
	o := &PlugOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "plug -n NAME -s SOURCE -t TARGET",
		Short: "Add a plug: wire one socket's output to another's input",
		Long: `Add a plug: when a call of the source socket has succeeded (or failed, with
--type ERROR), its outcome becomes a call of the target socket, or one argument
of it. With a queue of its own, the depth of the edge can be seen and limited.`,
		Example: `  flow add plug -n plug1 -q pyfi.queue2 -s pyfi.processors.sample.do_something -t pyfi.processors.sample.do_this
  flow add plug -n left -s emit_one -t add_two -a one
  flow add plug -n alarm -s fetch -t notify --type ERROR`,
		Args: flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return plugRun(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVarP(&o.Name, "name", "n", "", "name of the plug")
	o.Edge.Add(cmd, f)
	flags.Required(cmd, "name", "source", "target")
	flags.Done(cmd, &o.Format)
	return cmd
}

func plugRun(ctx context.Context, o *PlugOptions) error {
	p := model.Plug{
		Object: model.Object{Name: o.Name}, Type: model.PlugType(o.Edge.Type),
		Source: o.Edge.Source, Target: o.Edge.Target, Argument: o.Edge.Argument, Queue: o.Edge.Queue,
	}
	if err := flags.Valid(p.Check()); err != nil {
		return err
	}
	c, err := o.Client()
	if err != nil {
		return err
	}
	if p, err = c.Plugs().Create(ctx, p); err != nil {
		return err
	}
	return print.Changed(o.Printer(o.Format), view.Plugs(), p, fmt.Sprintf("plug %s added: %s → %s", p.Name, p.Source, p.Target))
}
