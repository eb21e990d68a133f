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

// SocketOptions are the options of "flow update socket".
type SocketOptions struct {
	*factory.Factory
	Name   string
	Patch  client.SocketPatch
	Format print.Format
}

// NewCmdSocket returns "flow update socket".
func NewCmdSocket(f *factory.Factory, runF func(context.Context, *SocketOptions) error) *cobra.Command {
	o := &SocketOptions{Factory: f}
	var queue, processor, task string
	var policy flags.Policy
	cmd := &cobra.Command{
		Use:   "socket",
		Short: "Change a socket",
		Long: `Change a socket. Limits (--rate, --burst, --max-running, --queue-timeout) count
from the next second on, without a restart of workers.`,
		Example: "  flow update socket fetch --attempts 5 --timeout 1m\n  flow update socket fetch -q web2\n  flow update socket ask --rate 50/s --max-running 0",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Patch = client.SocketPatch{
				Queue: flags.If(cmd, "queue", queue), Processor: flags.If(cmd, "procname", processor), Task: flags.If(cmd, "task", task),
			}
			if err := policy.Patch(&o.Patch); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return socketRun(cmd.Context(), o)
		},
	}
	flags.Endpoint(cmd, f, &queue, &processor, &task)
	policy.Add(cmd)
	flags.Name(cmd, f, &o.Name, "socket", complete.Sockets)
	flags.Something(cmd, append([]string{"queue", "procname", "task"}, flags.PolicyNames...)...)
	flags.Done(cmd, &o.Format)
	return cmd
}

func socketRun(ctx context.Context, o *SocketOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	s, err := c.Sockets().Update(ctx, o.Name, o.Patch)
	if err != nil {
		return err
	}
	return print.Changed(o.Printer(o.Format), view.Sockets(), s, fmt.Sprintf("socket %s updated", s.Name))
}
