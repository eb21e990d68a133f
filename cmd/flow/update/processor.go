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

// ProcessorOptions are the options of "flow update processor".
type ProcessorOptions struct {
	*factory.Factory
	Name   string
	Patch  client.ProcessorPatch
	Format print.Format
}

// NewCmdProcessor returns "flow update processor".
func NewCmdProcessor(f *factory.Factory, runF func(context.Context, *ProcessorOptions) error) *cobra.Command {
	o := &ProcessorOptions{Factory: f}
	var in client.ProcessorInput
	var limit flags.Limit
	cmd := &cobra.Command{
		Use:   "processor",
		Short: "Change a processor: its code, or where and how often it runs",
		Long: `Change a processor. A repository, branch or tag, also the same one again, is
looked at now: workers take the commit that it has. A limit (--rate, --burst)
counts from the next second on, without a restart of workers.`,
		Example: "  flow update processor proc1 --branch main\n  flow update processor proc1 -c 8 -h ''\n  flow update processor proc1 --rate 100/s --burst 100",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if flags.Given(cmd, "gitrepo") {
				if in.GitRepo, err = flags.Repository(in.GitRepo); err != nil {
					return err
				}
			}
			o.Patch = processorPatch(cmd, in)
			if o.Patch.Rate, o.Patch.Burst, err = limit.Patch(); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return processorRun(cmd.Context(), o)
		},
	}
	flags.Code(cmd, &in.GitRepo, &in.Module, &in.ModulePath, &in.Branch, &in.Tag, &in.Commit)
	flags.Placement(cmd, &in.Hostname, &in.Concurrency)
	limit.Add(cmd, "runs of all its sockets together")
	cmd.Flags().StringVar(&in.Interpreter, "python", "", "the Python program to run the code with")
	flags.Name(cmd, f, &o.Name, "processor", complete.Processors)
	flags.Something(cmd, append([]string{"gitrepo", "module", "modulepath", "branch", "tag", "commit", "hostname", "concurrency", "workers", "python"}, flags.LimitNames...)...)
	flags.Done(cmd, &o.Format)
	return cmd
}

func processorPatch(cmd *cobra.Command, in client.ProcessorInput) client.ProcessorPatch {
	out := client.ProcessorPatch{
		GitRepo: flags.If(cmd, "gitrepo", in.GitRepo), Module: flags.If(cmd, "module", in.Module),
		ModulePath: flags.If(cmd, "modulepath", in.ModulePath), Branch: flags.If(cmd, "branch", in.Branch),
		Tag: flags.If(cmd, "tag", in.Tag), Commit: flags.If(cmd, "commit", in.Commit),
		Hostname: flags.If(cmd, "hostname", in.Hostname), Interpreter: flags.If(cmd, "python", in.Interpreter),
	}
	if flags.Given(cmd, "concurrency", "workers") {
		out.Concurrency = &in.Concurrency
	}
	return out
}

func processorRun(ctx context.Context, o *ProcessorOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	p, err := c.Processors().Update(ctx, o.Name, o.Patch)
	if err != nil {
		return err
	}
	return print.Changed(o.Printer(o.Format), view.Processors(), p,
		fmt.Sprintf("processor %s updated: %s at commit %.10s, %d wanted", p.Name, p.Module, p.Commit, p.Concurrency))
}
