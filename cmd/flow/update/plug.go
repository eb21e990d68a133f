package update

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// PlugOptions are the options of "flow update plug".
type PlugOptions struct {
	*factory.Factory
	Name   string
	Patch  client.PlugPatch
	Format print.Format
}

// NewCmdPlug returns "flow update plug".
func NewCmdPlug(f *factory.Factory, runF func(context.Context, *PlugOptions) error) *cobra.Command {
	o := &PlugOptions{Factory: f}
	var edge flags.Edge
	cmd := &cobra.Command{
		Use:     "plug",
		Short:   "Change a plug; an empty argument or queue takes it away",
		Example: "  flow update plug plug1 -t audit\n  flow update plug plug1 -q ''",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Patch = client.PlugPatch{
				Type:   flags.If(cmd, "type", model.PlugType(edge.Type)),
				Source: flags.If(cmd, "source", edge.Source), Target: flags.If(cmd, "target", edge.Target),
				Argument: flags.If(cmd, "argument", edge.Argument), Queue: flags.If(cmd, "queue", edge.Queue),
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return plugRun(cmd.Context(), o)
		},
	}
	edge.Add(cmd, f)
	flags.Name(cmd, f, &o.Name, "plug", complete.Plugs)
	flags.Something(cmd, "type", "source", "target", "argument", "queue")
	flags.Done(cmd, &o.Format)
	return cmd
}

func plugRun(ctx context.Context, o *PlugOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	p, err := c.Plugs().Update(ctx, o.Name, o.Patch)
	if err != nil {
		return err
	}
	return print.Changed(o.Printer(o.Format), view.Plugs(), p, fmt.Sprintf("plug %s updated: %s → %s", p.Name, p.Source, p.Target))
}
