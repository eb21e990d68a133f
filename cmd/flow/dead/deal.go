package dead

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
)

// Options are the options of the commands that deal with several dead letters.
type Options struct {
	*factory.Factory
	choice
	Rate string // of redrive
}

// NewCmdRedrive returns "flow dead redrive".
func NewCmdRedrive(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd, o := newCmdDeal(f, "redrive", "Run calls again that ended without success", runF, deal{
		done: "will run again", do: (*client.Client).Redrive,
	})
	cmd.Long = `Run calls again that ended without success: by their ids, or all that the options
choose, the oldest first.

A call keeps its id, and its attempts are counted on; it is given as many as its
socket allows. It runs the code that its processor has now. Only what follows from
its new outcome follows: an ERROR plug that fired for it does not fire a second
time. A deadline that it had is gone.

--rate bounds how many begin to wait in their queues at a time. Ctrl-C stops, and
what was not reached stays on the list. "flow dead withdraw" takes back what has
not begun.`
	cmd.Example = `  flow dead redrive 01890a5d-ac96-774b-bcce-b302099a8057
  flow dead redrive --all --socket pyfi.processors.sample.do_this --error ValueError --rate 50/s`
	cmd.Flags().StringVar(&o.Rate, "rate", "", "how many at most in a time: 50/s, 600/m")
	o.choice.add(cmd, f)
	return cmd
}

// NewCmdDrop returns "flow dead drop".
func NewCmdDrop(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd, o := newCmdDeal(f, "drop", "Take calls off the list of the dead letters", runF, deal{
		done: "dropped", do: (*client.Client).DropDead,
	})
	cmd.Long = `Take calls off the list of the dead letters. Their records stay as they are in
"flow ls calls", and they can still be run again by their ids.`
	o.choice.add(cmd, f)
	return cmd
}

// NewCmdWithdraw returns "flow dead withdraw".
func NewCmdWithdraw(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd, o := newCmdDeal(f, "withdraw", "Cancel calls that were redriven and have not begun", runF, deal{
		done: "withdrawn", do: (*client.Client).Withdraw,
	})
	cmd.Long = `Cancel calls that wait in their queues and have not begun. One that has begun is
left alone, which "flow call cancel" would end.`
	cmd.Use += " ID…"
	cmd.ValidArgsFunction = complete.From(f, complete.Calls)
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if o.IDs = args; len(args) == 0 {
			return exit.Usagef("which calls? give their ids").WithNext("flow ls calls --state queued")
		}
		return nil
	}
	return cmd
}

// deal is what the commands differ in.
type deal struct {
	done string
	do   func(*client.Client, context.Context, ...string) ([]client.DealtCall, error)
}

func newCmdDeal(f *factory.Factory, verb, short string, runF func(context.Context, *Options) error, d deal) (*cobra.Command, *Options) {
	o := &Options{Factory: f}
	cmd := &cobra.Command{
		Use: verb, Short: short,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return dealRun(cmd.Context(), o, d)
		},
	}
	return cmd, o
}

// pace is how many calls are dealt with together, and how long after the ones
// before them.
type pace struct {
	together int
	every    time.Duration
}

// unhurried is the pace without --rate.
var unhurried = pace{together: 200}

// parseRate reads "50/s".
func parseRate(text string) (pace, error) {
	if text == "" {
		return unhurried, nil
	}
	count, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(count, 64)
	per, known := map[string]time.Duration{"": time.Second, "s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	if err != nil || !known || n <= 0 || n > 1e6 || math.IsNaN(n) {
		return pace{}, exit.Usagef("--rate %s: write how many in a time, for example 50/s or 600/m", text)
	}
	perSecond := n / per.Seconds()
	p := pace{together: min(max(int(perSecond/10), 1), 200)}
	p.every = time.Duration(float64(p.together) / perSecond * float64(time.Second))
	return p, nil
}

func dealRun(ctx context.Context, o *Options, d deal) error {
	p, err := parseRate(o.Rate)
	if err != nil {
		return err
	}
	c, err := o.Client()
	if err != nil {
		return err
	}
	ids, err := o.find(ctx, c, o.Now())
	if err != nil {
		return err
	}
	done, refused := 0, 0
	for rest := ids; len(rest) > 0; {
		part := rest[:min(p.together, len(rest))]
		rest = rest[len(part):]
		calls, err := d.do(c, ctx, part...)
		if err != nil {
			return fmt.Errorf("after %d of %d calls: %w", done+refused, len(ids), err)
		}
		for _, call := range calls {
			if call.Error != "" {
				refused++
				o.Note("call %s: %s", call.ID, call.Error)
				continue
			}
			done++
		}
		if len(rest) > 0 && !wait(ctx, p.every) {
			return &exit.Error{
				Code: exit.Interrupted, Message: fmt.Sprintf("interrupted after %d of %d calls: the others are as they were", done+refused, len(ids)), Err: ctx.Err(),
			}
		}
	}
	if _, err := fmt.Fprintf(o.Out, "%s %s\n", calls(done), d.done); err != nil {
		return err
	}
	if refused > 0 {
		return &exit.Error{Code: exit.Conflict, Message: fmt.Sprintf("%s could not be", calls(refused)), Next: "flow dead ls"}
	}
	return nil
}

func calls(n int) string {
	if n == 1 {
		return "1 call"
	}
	return fmt.Sprintf("%d calls", n)
}

// wait is false when ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
