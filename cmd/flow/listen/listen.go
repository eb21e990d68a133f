// Package listen is "flow listen": what happens, as it happens.
package listen

import (
	"bytes"
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
)

// Options are the options of "flow listen".
type Options struct {
	*factory.Factory
	Name, Channel string
	Since         time.Duration
	Count         int
	Timeout       time.Duration
	Format        string // json or table
}

// NewCmd returns "flow listen".
func NewCmd(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "listen -n NAME",
		Short: "Listen to what happens on a queue or processor",
		Long: `Listen to the events of a processor (PROCESSOR), or of one on one queue
(QUEUE.PROCESSOR): each is one JSON object on a line, until Ctrl-C. In the name
and the channel, * stands for any text.`,
		Example: `  flow listen --name pyfi.queue1.proc1 --channel task
  flow listen -n proc1 -c log --since 10m
  flow listen -n '*' -c '*' -o table`,
		Args: flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return listenRun(cmd.Context(), o)
		},
	}
	set := cmd.Flags()
	set.StringVarP(&o.Name, "name", "n", "", "processor, or queue.processor")
	set.StringVarP(&o.Channel, "channel", "c", "task", "what to listen to: task, log, …")
	set.DurationVar(&o.Since, "since", 0, "begin this long ago")
	set.IntVar(&o.Count, "count", 0, "end after this many events; 0 is never")
	set.DurationVar(&o.Timeout, "timeout", 0, "end after this long; 0 is never")
	flags.Choice(cmd, &o.Format, "output", "o", string(print.JSON), "the events as they are, or lines for people", string(print.JSON), string(print.Table))
	complete.Option(cmd, f, "name", complete.Processors)
	flags.Required(cmd, "name", "channel")
	return cmd
}

// enough ends the listening.
var errEnough = errors.New("enough events")

func listenRun(ctx context.Context, o *Options) error {
	if o.Since < 0 || o.Count < 0 || o.Timeout < 0 {
		return exit.Usagef("--since, --count and --timeout cannot be negative")
	}
	c, err := o.Client()
	if err != nil {
		return err
	}
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Timeout)
		defer cancel()
	}
	filter := client.EventFilter{
		Pattern: o.Name + "." + o.Channel,
		Ready:   func() { o.Note("Listening to %s", o.Name) },
		Lost:    func(err error) { o.Note("warning: %v; listening again", err) },
	}
	if o.Since > 0 {
		filter.Since = o.Now().Add(-o.Since)
	}
	heard := 0
	err = c.Events(ctx, filter, func(e client.Event) error {
		if err := write(o, e); err != nil {
			return err
		}
		if heard++; heard == o.Count {
			return errEnough
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err == nil && o.Count > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &exit.Error{Code: exit.Timeout, Message: fmt.Sprintf("%d of %d events came within %s", heard, o.Count, o.Timeout)}
	}
	return err // nil after Ctrl-C: that is how listening ends
}

func write(o *Options, e client.Event) error {
	if o.Format == string(print.JSON) {
		var line bytes.Buffer
		if err := json.Compact(&line, e.Data); err != nil {
			return fmt.Errorf("show an event of %s: %w", e.Channel, err)
		}
		line.WriteByte('\n')
		_, err := o.Out.Write(line.Bytes())
		return err
	}
	_, err := fmt.Fprintln(o.Out, sentence(e))
	return err
}

// sentence is an event for people: when, where, what.
func sentence(e client.Event) string {
	var d struct {
		State, Task, Call, Outcome, Error, Message, Stream string
		Line                                               *string
		Duration                                           float64
	}
	text := print.Time(e.Time) + "  " + e.Channel
	if json.Unmarshal(e.Data, &d) != nil {
		return print.Line(text + "  " + string(e.Data))
	}
	add := func(parts ...string) {
		for _, p := range parts {
			if p != "" {
				text += "  " + p
			}
		}
	}
	if d.Line != nil {
		add(d.Task, d.Call, d.Stream, *d.Line)
		return print.Line(text)
	}
	add(d.State, d.Task, d.Call, d.Outcome, print.Duration(time.Duration(d.Duration*float64(time.Second))))
	if d.Error != "" {
		add(d.Error + ": " + d.Message)
	}
	return print.Line(text)
}
