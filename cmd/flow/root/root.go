// Package root is the top of the command tree: the options of every command,
// how the process begins and how it ends.
package root

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/contexts"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/group"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/shortopt"
)

// Main runs the command line of this process and returns its exit code.
func Main() int { return Run(context.Background(), factory.New(), os.Args[1:]) }

// Run runs one command line and returns its exit code; what went wrong has been
// told on stderr.
func Run(ctx context.Context, f *factory.Factory, args []string) int {
	cmd := NewCmd(f)
	cmd.SetArgs(shortopt.Rewrite(cmd, args))
	cmd.SetIn(f.In)
	cmd.SetOut(f.Out)
	cmd.SetErr(f.Err)
	err := contexts.Explain(cmd.ExecuteContext(ctx))
	f.Close()
	exit.Report(f.Err, err, f.Paint(print.Bad))
	return exit.Code(err)
}

// NewCmd returns the whole command tree.
func NewCmd(f *factory.Factory) *cobra.Command {
	var configure, version bool
	cmd := &cobra.Command{
		Use:   "flow",
		Short: "Run functions from git repositories, and wire them into dataflows",
		Long: `Flow runs functions from git repositories behind durable queues, and wires their
outputs to the inputs of others.`,
		Example: `  flow up
  flow add queue -n pyfi.queue1 -t direct
  flow add processor -n proc1 -g https://github.com/radiantone/pyfi-processors -m pyfi.processors.sample -h localhost -c 5
  flow add socket -n pyfi.processors.sample.do_this -q pyfi.queue1 -pn proc1 -t do_this
  flow task run --socket pyfi.processors.sample.do_this --data "['some data']"`,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if configure && len(args) == 0 {
				return contexts.Configure(cmd.Context(), f)
			}
			if version && len(args) == 0 {
				_, err := fmt.Fprintln(f.Out, "flow", factory.Version().Version)
				return err
			}
			return group.Run(cmd, args)
		},
		PersistentPreRunE: interruptible,
	}
	cmd.Flags().BoolVarP(&configure, "config", "c", false, "write a context: which server to speak to, and as whom")
	cmd.Flags().BoolVar(&version, "version", false, "show the version of this program")
	persistent(cmd, f)
	cmd.SetHelpFunc(help)
	cmd.SetUsageFunc(func(cmd *cobra.Command) error { help(cmd, nil); return nil })
	cmd.SetFlagErrorFunc(flagError)
	cmd.AddCommand(commands(f)...)
	for _, c := range cmd.Commands() {
		c.SuggestFor = elsewhere[c.Name()]
	}
	cmd.AddCommand(topics()...)
	cmd.SetHelpCommand(newCmdHelp())
	cmd.InitDefaultCompletionCmd()
	if completion := named(cmd, "completion"); completion != nil {
		completion.Args, completion.RunE = cobra.ArbitraryArgs, group.Run
		completion.Short = "Print a script that completes commands and names in a shell"
	}
	return cmd
}

// persistent adds the options that every command has.
func persistent(cmd *cobra.Command, f *factory.Factory) {
	set, o := cmd.PersistentFlags(), &f.Options
	set.StringVar(&o.Context, "context", "", "context to use, of those in the context file")
	set.StringVar(&o.Server, "server", "", "server to speak to: http://HOST:PORT")
	set.StringVar(&o.TokenFile, "token-file", "", "file that holds the token; - is stdin")
	set.StringVar(&o.Network, "network", "", "network that names belong to")
	set.BoolVar(&o.Debug, "debug", false, "show each request to the server")
	flags.Colors(cmd, &o.Color)
	set.Bool("help", false, "show help") // without -h: that is a hostname in places
	contexts.CompleteOption(cmd, f)
}

// ownSignals marks commands that know themselves what a signal means to them.
const ownSignals = "flow_own_signals"

func withOwnSignals(commands ...*cobra.Command) []*cobra.Command {
	for _, c := range commands {
		if c.Annotations == nil {
			c.Annotations = map[string]string{}
		}
		c.Annotations[ownSignals] = "true"
		withOwnSignals(c.Commands()...)
	}
	return commands
}

// interruptible lets the first Ctrl-C (or SIGTERM) end the command's context, so
// that it can say what goes on without it; a second one ends the process.
func interruptible(cmd *cobra.Command, _ []string) error {
	if cmd.Annotations[ownSignals] != "" {
		return nil
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	cmd.SetContext(ctx)
	return nil
}

// flagError says what is wrong with an option, and which one was perhaps meant.
func flagError(cmd *cobra.Command, err error) error {
	var own *exit.Error
	if errors.As(err, &own) && own.Next != "" {
		return err
	}
	return &exit.Error{
		Code: exit.Usage, Message: cmd.CommandPath() + ": " + err.Error(), Err: err,
		Suggestions: nearOptions(cmd, err), Next: cmd.CommandPath() + " --help",
	}
}
