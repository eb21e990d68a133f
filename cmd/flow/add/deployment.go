package add

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// DeploymentOptions are the options of "flow add deployment".
type DeploymentOptions struct {
	*factory.Factory
	Processor, Deployment, Hostname string
	CPUs                            int
	Format                          print.Format
}

// NewCmdDeployment returns "flow add deployment".
func NewCmdDeployment(f *factory.Factory, runF func(context.Context, *DeploymentOptions) error) *cobra.Command {
	o := &DeploymentOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "deployment -n PROCESSOR -h HOSTNAME",
		Short: "Add a deployment: run a processor on a node",
		Long: `Add a deployment: run a processor with a number of CPUs on a node. The scheduler
makes deployments by itself; it leaves alone those that a person has made.`,
		Example: "  flow add deployment -n proc1 -d proc1.deploy1 -h node2 -c 4",
		Args:    flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return deploymentRun(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVarP(&o.Processor, "name", "n", "", "name of the processor")
	cmd.Flags().StringVarP(&o.Deployment, "deploy", "d", "", "name of the deployment; PROCESSOR.HOSTNAME when left out")
	cmd.Flags().StringVarP(&o.Hostname, "hostname", "h", "", "node to run on")
	cmd.Flags().IntVarP(&o.CPUs, "cpus", "c", 1, "how many workers (CPUs) run there")
	complete.Option(cmd, f, "name", complete.Processors)
	complete.Option(cmd, f, "hostname", complete.Nodes)
	flags.Required(cmd, "name", "hostname")
	flags.Done(cmd, &o.Format)
	return cmd
}

func deploymentRun(ctx context.Context, o *DeploymentOptions) error {
	if o.CPUs < 1 {
		return flags.Valid(fmt.Errorf("--cpus %d: at least 1 is needed", o.CPUs))
	}
	c, err := o.Client()
	if err != nil {
		return err
	}
	d, err := c.Deployments().Create(ctx, model.Deployment{
		Object: model.Object{Name: o.Deployment}, Processor: o.Processor, Node: o.Hostname, CPUs: o.CPUs,
	})
	if err != nil {
		return err
	}
	return print.Changed(o.Printer(o.Format), view.Deployments(), d,
		fmt.Sprintf("deployment %s added: processor %s with %d CPUs on %s", d.Name, d.Processor, d.CPUs, d.Node))
}
