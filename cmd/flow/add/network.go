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

// NetworkOptions are the options of "flow add network".
type NetworkOptions struct {
	*factory.Factory
	Name   string
	Format print.Format
}

// NewCmdNetwork returns "flow add network".
func NewCmdNetwork(f *factory.Factory, runF func(context.Context, *NetworkOptions) error) *cobra.Command {
	o := &NetworkOptions{Factory: f}
	cmd := &cobra.Command{
		Use:     "network -n NAME",
		Short:   "Add a network: a namespace for all other objects",
		Example: "  flow add network -n lab\n  flow --network lab ls queues",
		Args:    flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return networkRun(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVarP(&o.Name, "name", "n", "", "name of the network")
	flags.Required(cmd, "name")
	flags.Done(cmd, &o.Format)
	return cmd
}

func networkRun(ctx context.Context, o *NetworkOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	n, err := c.Networks().Create(ctx, model.Network{Name: o.Name})
	if err != nil {
		return err
	}
	return print.Changed(o.Printer(o.Format), view.Networks(), n, fmt.Sprintf("network %s added", n.Name))
}
