package task

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/outcome"
	"github.com/elasticcode/flow/cmd/flow/shortopt"
	"github.com/elasticcode/flow/model"
)

// RunOptions are the options of "flow task run".
type RunOptions struct {
	*factory.Factory
	Socket, Task string
	// Data is the text of --data; HasData says that it was given.
	Data              string
	HasData, NoData   bool
	Args, Kwargs      string
	Argument          string
	Lines, NoWait     bool
	Timeout, Deadline time.Duration
	ID                string
	Priority          string
	Format            string // raw or json
}

// NewCmdRun returns "flow task run".
func NewCmdRun(f *factory.Factory, runF func(context.Context, *RunOptions) error) *cobra.Command {
	o := &RunOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "run {-s SOCKET | -n TASK}",
		Short: "Call a function and print its result",
		Long: `Call a function through one of its sockets, wait, and print the result: text as
it is, other values as JSON on one line. Nothing else goes to stdout.

The value for the function's first argument is --data (see "flow help values"),
else what comes on stdin, as one text; with --lines, each line is a call of its
own, and the results come in the same order. --args and --kwargs pass several
values, --nodata none.

With -a the value is for one argument of a join: the function runs when all its
arguments have come, and its result is printed.

A call with --priority high is begun before the others that wait at its
processor, one with low after them; so are the calls that follow from it.

The error of a function that fails is on stderr, and the exit code is 8. After
Ctrl-C or --timeout the call goes on: its id is printed, and "flow ls call --id
ID --result --wait 1h" waits on.`,
		Example: `  flow task run --socket pyfi.processors.sample.do_this --data "['some data']"
  echo "HI THERE!" | flow task run -s pyfi.processors.sample.do_something
  flow task run -s add_two --args '[1, 2]'
  flow task run -s add_two -a one -d 1 & flow task run -s add_two -a two -d 2
  flow task run -s shout --lines <names.txt
  flow task run -s shout -d hurry --priority high
  flow task run -n pyfi.processors.sample.do_this -d @payload.json --no-wait`,
		Args: flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.HasData = flags.Given(cmd, "data")
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return runRun(cmd.Context(), o)
		},
	}
	runFlags(cmd, f, o)
	return cmd
}

func runFlags(cmd *cobra.Command, f *factory.Factory, o *RunOptions) {
	set := cmd.Flags()
	set.StringVarP(&o.Socket, "socket", "s", "", "socket to call")
	set.StringVarP(&o.Task, "name", "n", "", "function to call (NAME or MODULE.NAME), through any socket of it")
	set.StringVarP(&o.Data, "data", "d", "", "value for the first argument: JSON, YAML in flow style, @FILE, or text")
	set.BoolVar(&o.NoData, "nodata", false, "call it without data")
	shortopt.Set(set, "nodata", "nd")
	set.StringVar(&o.Args, "args", "", "values for the arguments, as a list: '[1, two]'")
	set.StringVar(&o.Kwargs, "kwargs", "", "values for named arguments, as an object: '{one: 1}'")
	set.StringVarP(&o.Argument, "argument", "a", "", "the one argument of a join that the value is for")
	set.BoolVarP(&o.Lines, "lines", "l", false, "one call for each line of stdin")
	set.BoolVar(&o.NoWait, "no-wait", false, "print the id of the call, and do not wait")
	set.DurationVar(&o.Timeout, "timeout", time.Hour, "how long to wait for the result; the call goes on")
	set.DurationVar(&o.Deadline, "deadline", 0, "in how long the call must have begun, else it expires; never when left out")
	flags.Choice(cmd, &o.Priority, "priority", "", string(model.Normal), "calls of a higher one are begun first; what follows has it, too", priorities()...)
	set.StringVar(&o.ID, "id", "", "makes it repeatable, and names it: the same id is the same call of the socket")
	flags.Choice(cmd, &o.Format, "format", "f", outcome.Raw, "how to print the result: text as it is, or as JSON, too", outcome.Raw, outcome.JSON)
	complete.Option(cmd, f, "socket", complete.Sockets)
	complete.Option(cmd, f, "name", complete.Tasks)
	flags.Exclusive(cmd, "socket", "name")
	flags.Exclusive(cmd, "data", "nodata", "args", "lines")
	flags.Exclusive(cmd, "nodata", "kwargs")
	flags.Exclusive(cmd, "argument", "nodata")
	flags.Exclusive(cmd, "argument", "args")
	flags.Exclusive(cmd, "argument", "kwargs")
	flags.Exclusive(cmd, "lines", "id")
}

func priorities() []string {
	var out []string
	for _, p := range model.Priorities() {
		out = append(out, string(p))
	}
	return out
}

func runRun(ctx context.Context, o *RunOptions) error {
	if o.Socket == "" && o.Task == "" {
		return exit.Usagef("which function? give a socket with -s, or a function with -n").WithNext("flow ls sockets")
	}
	if o.Timeout <= 0 {
		return exit.Usagef("--timeout %s: give a duration above 0, or --no-wait", o.Timeout)
	}
	base := client.Submission{Socket: o.Socket, Task: o.Task, Argument: o.Argument, ID: o.ID, Priority: model.Priority(o.Priority).Brief()}
	var err error
	if base.DeadlineMS, err = flags.Milliseconds("deadline", o.Deadline); err != nil {
		return err
	}
	if err := input(o, &base); err != nil {
		return err
	}
	c, err := o.Client()
	if err != nil {
		return err
	}
	switch {
	case o.Lines && o.NoWait:
		return submitLines(ctx, o, c, base)
	case o.Lines:
		return runLines(ctx, o, c, base)
	case o.NoWait:
		return submitOne(ctx, o, c, base)
	}
	out, err := wait(ctx, o, c, base)
	if err != nil {
		return err
	}
	return outcome.Show(o.Factory, out, o.Format)
}

func submitOne(ctx context.Context, o *RunOptions, c *client.Client, s client.Submission) error {
	got, err := c.Submit(ctx, named(s))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(o.Out, got.ID)
	return err
}

// named gives the submission an id, so that it can be sent again when the
// answer to it was lost: the same id is the same call.
func named(s client.Submission) client.Submission {
	if s.ID == "" {
		s.ID = model.NewID()
	}
	return s
}
