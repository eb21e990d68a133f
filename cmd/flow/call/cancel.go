package call

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
)

// CancelOptions are the options of "flow call cancel".
type CancelOptions struct {
	*factory.Factory
	ID string
}

// NewCmdCancel returns "flow call cancel".
func NewCmdCancel(f *factory.Factory, runF func(context.Context, *CancelOptions) error) *cobra.Command {
	o := &CancelOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "cancel",
		Short: "End a call, whatever it waits for or does",
		Long: `End a call that is queued, waits for arguments, waits to be tried again, or runs.

A call that runs is ended within a few seconds, with all processes that its code
started; what it has done until then stays done. Nothing follows from a cancelled
call: neither RESULT nor ERROR plugs fire. It stays cancelled, whatever dies.
Calls that follow from it already are calls of their own: "flow run cancel" ends
all of a run.`,
		Example: `  flow call cancel 01890a5d-ac96-774b-bcce-b302099a8057`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return cancelRun(cmd.Context(), o)
		},
	}
	flags.Call(cmd, f, &o.ID, complete.Calls)
	return cmd
}

func cancelRun(ctx context.Context, o *CancelOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	out, err := c.Cancel(ctx, o.ID)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.Out, "call %s is %s\n", out.ID, out.State)
	return err
}
