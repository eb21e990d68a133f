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

// SocketOptions are the options of "flow add socket".
type SocketOptions struct {
	*factory.Factory
	Name, Processor, Queue, Task string
	Policy                       flags.Policy
	Format                       print.Format
}

// NewCmdSocket returns "flow add socket".
func NewCmdSocket(f *factory.Factory, runF func(context.Context, *SocketOptions) error) *cobra.Command {
	o := &SocketOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "socket -n NAME -q QUEUE -pn PROCESSOR -t TASK",
		Short: "Add a socket: an address for a function",
		Long: `Add a socket: it makes a function of a processor's module (the task) callable
under a name, through a queue.`,
		Example: `  flow add socket -n pyfi.processors.sample.do_this -q pyfi.queue1 -pn proc1 -t do_this
  flow add socket -n fetch -q web -pn crawler -t fetch --retries 4 --backoff 2s --timeout 30s
  flow add socket -n ask -q web -pn crawler -t ask --rate 10/s --burst 20 --max-running 3 --queue-timeout 5m`,
		Args: flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return socketRun(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVarP(&o.Name, "name", "n", "", "name of the socket")
	flags.Endpoint(cmd, f, &o.Queue, &o.Processor, &o.Task)
	o.Policy.Add(cmd)
	flags.Required(cmd, "name", "queue", "procname", "task")
	flags.Done(cmd, &o.Format)
	return cmd
}

func socketRun(ctx context.Context, o *SocketOptions) error {
	s := model.Socket{Object: model.Object{Name: o.Name}, Processor: o.Processor, Queue: o.Queue, Task: o.Task}
	if err := o.Policy.Fill(&s); err != nil {
		return err
	}
	if err := flags.Valid(s.WithDefaults().Check()); err != nil {
		return err
	}
	c, err := o.Client()
	if err != nil {
		return err
	}
	if s, err = c.Sockets().Create(ctx, s); err != nil {
		return err
	}
	return print.Changed(o.Printer(o.Format), view.Sockets(), s,
		fmt.Sprintf("socket %s added: %s of processor %s on queue %s", s.Name, s.Task, s.Processor, s.Queue))
}
