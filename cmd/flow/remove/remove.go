// Package remove is the commands that delete objects. What others need, or in
// whose queue calls wait, is not deleted: the server says who needs it.
package remove

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/group"
)

// NewCmd returns "flow delete".
func NewCmd(f *factory.Factory) *cobra.Command {
	return group.New("delete", "Delete an object",
		NewCmdNetwork(f, nil),
		NewCmdQueue(f, nil),
		NewCmdProcessor(f, nil),
		NewCmdSocket(f, nil),
		NewCmdPlug(f, nil),
		NewCmdDeployment(f, nil),
		NewCmdToken(f, nil),
	)
}

// Options are the options of every "flow delete" command.
type Options struct {
	*factory.Factory
	Kind  string
	Name  string
	Force bool // also what waits in its queue
}

// kind is what the commands differ in.
type kind struct {
	name   string
	short  string
	names  complete.Names
	delete func(context.Context, *client.Client, string) error
	force  func(context.Context, *client.Client, string) error // nil: no queue, no --force
}

func newCmd(f *factory.Factory, k kind, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{Factory: f, Kind: k.name}
	cmd := &cobra.Command{
		Use:   k.name,
		Short: k.short,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return deleteRun(cmd.Context(), o, k)
		},
	}
	if k.force != nil {
		cmd.Flags().BoolVar(&o.Force, "force", false, "delete it together with the calls that wait in its queue")
	}
	flags.Name(cmd, f, &o.Name, k.name, k.names)
	return cmd
}

func deleteRun(ctx context.Context, o *Options, k kind) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	how := k.delete
	if o.Force {
		how = k.force
	}
	if err := how(ctx, c, o.Name); err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.Out, "%s %s deleted\n", k.name, o.Name)
	return err
}
