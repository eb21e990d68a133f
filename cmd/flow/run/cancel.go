package run

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
)

// CancelOptions are the options of "flow run cancel".
type CancelOptions struct {
	*factory.Factory
	Tracking string
}

// NewCmdCancel returns "flow run cancel".
func NewCmdCancel(f *factory.Factory, runF func(context.Context, *CancelOptions) error) *cobra.Command {
	o := &CancelOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "cancel",
		Short: "End all calls of a run that have not ended",
		Long: `End all calls of a run that have not ended, whatever they wait for or do, as
"flow call cancel" does. The id of a run is what calls have as their tracking.

Calls that are made by calls in flight at this moment are cancelled, too, as soon
as they are known, usually within two seconds; they may have begun by then.`,
		Example: `  flow run cancel 01890a5d-ac96-774b-bcce-b302099a8057`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return cancelRun(cmd.Context(), o)
		},
	}
	flags.ID(cmd, f, &o.Tracking, "run", nil)
	return cmd
}

func cancelRun(ctx context.Context, o *CancelOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	out, err := c.CancelRun(ctx, o.Tracking)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.Out, "run %s is cancelled: calls that had not ended: %d\n", out.Tracking, out.Cancelled)
	return err
}
