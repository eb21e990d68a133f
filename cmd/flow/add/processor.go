package add

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// ProcessorOptions are the options of "flow add processor".
type ProcessorOptions struct {
	*factory.Factory
	Input  client.ProcessorInput
	Limit  flags.Limit
	Format print.Format
}

// NewCmdProcessor returns "flow add processor".
func NewCmdProcessor(f *factory.Factory, runF func(context.Context, *ProcessorOptions) error) *cobra.Command {
	o := &ProcessorOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "processor -n NAME -g REPO -m MODULE",
		Short: "Add a processor: code in a git repository",
		Long: `Add a processor: a module in a git repository, at a commit. A branch or tag is
resolved to its commit now; to move on to a newer one, use "flow update processor".
Without branch, tag or commit, the repository's default branch is taken.`,
		Example: `  flow add processor -n proc1 -g https://github.com/radiantone/pyfi-processors -m pyfi.processors.sample -h localhost -c 5
  flow add processor -n mine -g . -m tasks --branch main
  flow add processor -n scripts -g /srv/scripts -m bin --runtime shell`,
		Args: flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return processorRun(cmd.Context(), o)
		},
	}
	in := &o.Input
	cmd.Flags().StringVarP(&in.Name, "name", "n", "", "name of the processor")
	flags.Code(cmd, &in.GitRepo, &in.Module, &in.ModulePath, &in.Branch, &in.Tag, &in.Commit)
	flags.Placement(cmd, &in.Hostname, &in.Concurrency)
	o.Limit.Add(cmd, "runs of all its sockets together")
	flags.Choice(cmd, &in.Runtime, "runtime", "", model.RuntimePython, "what runs the code", model.RuntimePython, model.RuntimeShell)
	cmd.Flags().StringVar(&in.Interpreter, "python", "", "the Python program to run the code with; python3 when left out")
	flags.Required(cmd, "name", "gitrepo", "module")
	flags.Done(cmd, &o.Format)
	return cmd
}

func processorRun(ctx context.Context, o *ProcessorOptions) error {
	in := o.Input
	if in.Runtime != model.RuntimePython && in.Interpreter != "" {
		return flags.Valid(fmt.Errorf("--python is for the runtime python, and the processor's is %s", in.Runtime))
	}
	var err error
	if in.GitRepo, err = flags.Repository(in.GitRepo); err != nil {
		return err
	}
	if err := flags.Valid(model.CheckName("processor", in.Name)); err != nil {
		return err
	}
	var limit model.Limit
	if err := o.Limit.Fill(&limit); err != nil {
		return err
	}
	in.Rate, in.Burst = string(limit.Rate), limit.Burst
	c, err := o.Client()
	if err != nil {
		return err
	}
	p, err := c.CreateProcessor(ctx, in)
	if err != nil {
		return err
	}
	return print.Changed(o.Printer(o.Format), view.Processors(), p,
		fmt.Sprintf("processor %s added: %s at commit %.10s, %d wanted", p.Name, p.Module, p.Commit, p.Concurrency))
}
