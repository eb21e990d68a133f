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
)

// DeploymentOptions are the options of "flow update deployment".
type DeploymentOptions struct {
	*factory.Factory
	Name   string
	CPUs   int
	Format print.Format
}

// NewCmdDeployment returns "flow update deployment".
func NewCmdDeployment(f *factory.Factory, runF func(context.Context, *DeploymentOptions) error) *cobra.Command {
	o := &DeploymentOptions{Factory: f}
	cmd := &cobra.Command{
		Use:     "deployment",
		Short:   "Change how many CPUs a deployment has",
		Example: "  flow update deployment proc1.deploy1 -c 8",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return deploymentRun(cmd.Context(), o)
		},
	}
	cmd.Flags().IntVarP(&o.CPUs, "cpus", "c", 0, "how many workers (CPUs) run there")
	flags.Name(cmd, f, &o.Name, "deployment", complete.Deployments)
	flags.Something(cmd, "cpus")
	flags.Done(cmd, &o.Format)
	return cmd
}

func deploymentRun(ctx context.Context, o *DeploymentOptions) error {
	if o.CPUs < 1 {
		return flags.Valid(fmt.Errorf("--cpus %d: at least 1 is needed; delete the deployment to have none", o.CPUs))
	}
	c, err := o.Client()
	if err != nil {
		return err
	}
	d, err := c.Deployments().Update(ctx, o.Name, client.DeploymentPatch{CPUs: &o.CPUs})
	if err != nil {
		return err
	}
	return print.Changed(o.Printer(o.Format), view.Deployments(), d, fmt.Sprintf("deployment %s updated: %d CPUs", d.Name, d.CPUs))
}
