// Package logs is "flow logs": what the code of processors prints.
package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/model"
)

// Options are the options of "flow logs".
type Options struct {
	*factory.Factory
	ID, Processor string
	Follow        bool
	Since         time.Duration
	Timestamps    bool
}

// NewCmd returns "flow logs".
func NewCmd(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "logs {--id CALL | -n PROCESSOR}",
		Short: "Show what the code of a call or a processor printed",
		Long: `Show what the code printed: of one call, or of all calls of a processor that ended
lately. With -f, wait for the call to end, or go on with the processor until
Ctrl-C.`,
		Example: "  flow logs --id 01890a5d-ac96-774b-bcce-b302099a8057\n  flow logs -n proc1 -f --since 10m",
		Args:    flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return logsRun(cmd.Context(), o)
		},
	}
	set := cmd.Flags()
	set.StringVar(&o.ID, "id", "", "call to show the output of")
	set.StringVarP(&o.Processor, "name", "n", "", "processor to show the output of")
	set.BoolVarP(&o.Follow, "follow", "f", false, "go on with what is printed from now on")
	set.DurationVar(&o.Since, "since", 0, "begin this long ago (a processor's output; 15m without -f)")
	set.BoolVar(&o.Timestamps, "timestamps", false, "show when each line was printed")
	complete.Option(cmd, f, "id", complete.Calls)
	complete.Option(cmd, f, "name", complete.Processors)
	flags.Exclusive(cmd, "id", "name")
	flags.Exclusive(cmd, "id", "since")
	return cmd
}

func logsRun(ctx context.Context, o *Options) error {
	if o.ID == "" && o.Processor == "" {
		return exit.Usagef("whose output? give a call with --id, or a processor with -n").WithNext("flow ls calls")
	}
	c, err := o.Client()
	if err != nil {
		return err
	}
	if o.ID != "" {
		return ofCall(ctx, o, c)
	}
	return ofProcessor(ctx, o, c)
}

// waitStep is how long one question for the end of a call waits.
const waitStep = 30 * time.Second

func ofCall(ctx context.Context, o *Options, c *client.Client) error {
	call, err := c.Call(ctx, o.ID)
	for err == nil && o.Follow && !call.State.Terminal() {
		if _, err = c.Result(ctx, o.ID, waitStep); err == nil {
			call, err = settled(ctx, c, o.ID)
		}
	}
	if err != nil {
		return err
	}
	if !call.State.Terminal() {
		o.Note("call %s is %s: its output is kept when it has ended; -f waits for it", call.ID, call.State)
	}
	for _, l := range call.Log {
		if err := o.line(l); err != nil {
			return err
		}
	}
	return nil
}

// settled returns the record of a call whose result is there: the record comes
// through a queue, a little behind the result.
func settled(ctx context.Context, c *client.Client, id string) (model.Call, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		call, err := c.Call(ctx, id)
		if err != nil || call.State.Terminal() {
			return call, err
		}
		select {
		case <-ctx.Done():
			return call, ctx.Err()
		case <-tick.C:
		}
	}
}

func (o *Options) line(l model.LogLine) error {
	text := print.Line(l.Text)
	if o.Timestamps {
		text = print.Time(l.Time) + "  " + text
	}
	_, err := fmt.Fprintln(o.Out, text)
	return err
}

const (
	// past is how far back output is shown when nothing else was said.
	past = 15 * time.Minute
	// quiet ends a listing that does not follow: the backlog has been heard.
	quiet = time.Second
)

var errPresent = errors.New("the backlog has been heard")

func ofProcessor(ctx context.Context, o *Options, c *client.Client) error {
	if _, err := c.Processors().Get(ctx, o.Processor); err != nil {
		return err // silence would look like a processor that prints nothing
	}
	began := o.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	filter := client.EventFilter{
		Pattern: o.Processor + ".log",
		Lost:    func(err error) { o.Note("warning: %v; listening again", err) },
	}
	heard := func() {}
	if o.Since > 0 || !o.Follow {
		filter.Since = began.Add(-orElse(o.Since, past))
	}
	if !o.Follow {
		idle := time.AfterFunc(time.Hour, func() { cancel(errPresent) })
		defer idle.Stop()
		heard = func() { idle.Reset(quiet) }
		filter.Ready = heard
	}
	return c.Events(ctx, filter, func(e client.Event) error {
		heard()
		var item struct {
			Stream, Line string
			Date         time.Time
		}
		if err := json.Unmarshal(e.Data, &item); err != nil {
			return fmt.Errorf("show an event of %s: %w", e.Channel, err)
		}
		return o.line(model.LogLine{Time: item.Date, Stream: item.Stream, Text: item.Line})
	})
}

func orElse(d, other time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return other
}
