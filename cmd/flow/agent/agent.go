// Package agent is the command that runs an agent.
package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/cmd/flow/engine"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/group"
	"github.com/elasticcode/flow/cmd/flow/shortopt"
)

// Options are the options of "flow agent start".
type Options struct {
	*factory.Factory
	Services engine.Services
	DataDir  string
	Name     string
	CPUs     int
	KeepCode engine.KeepCode
	Results  engine.KeepResults
}

// NewCmd returns "flow agent".
func NewCmd(f *factory.Factory) *cobra.Command {
	return group.New("agent", "Run the agent of a node", newStart(f))
}

func newStart(f *factory.Factory) *cobra.Command {
	o := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Run the agent of this machine until it is stopped",
		Long: `Run the agent of this machine: it registers the node, learns from the server what
to run, and keeps one worker per CPU it is given. It needs the server's address
(--server or FLOW_SERVER), a token of scope agent or admin (FLOW_TOKEN), and the
same broker and backend as the server. A service that is away is waited for.

SIGINT or SIGTERM drains it: calls that run may finish; a second one abandons
them, to be run again elsewhere.`,
		Example: "  FLOW_SERVER=http://server:8700 FLOW_TOKEN=flow_… flow agent start -n node2 -cp 8 --broker amqp://mq --backend redis://cache",
		Args:    flags.None,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	o.Services.AddFlags(cmd, false)
	cmd.Flags().StringVar(&o.DataDir, "data-dir", "", "where checkouts and environments are kept; default $XDG_DATA_HOME/flow")
	cmd.Flags().StringVarP(&o.Name, "name", "n", "", "name of this machine as a node; default its hostname")
	cmd.Flags().IntVar(&o.CPUs, "cpus", runtime.NumCPU(), "how many workers may run here")
	shortopt.Set(cmd.Flags(), "cpus", "cp")
	o.KeepCode.AddFlags(cmd)
	o.Results.AddFlags(cmd)
	return cmd
}

func run(ctx context.Context, o *Options) error {
	log, err := engine.Logger(o.Err, o.ErrTTY, o.Env, o.Options.Debug)
	if err != nil {
		return flags.Valid(err)
	}
	o.Services.Fill(o.Env, engine.Services{})
	if o.Services.Broker == "" || o.Services.Backend == "" {
		return flags.Valid(errors.New("an agent needs --broker and --backend (or FLOW_BROKER and FLOW_BACKEND): the same as the server"))
	}
	if o.CPUs < 1 {
		return flags.Valid(fmt.Errorf("--cpus %d: at least 1 is needed", o.CPUs))
	}
	if err := o.Results.Check(); err != nil {
		return err
	}
	name, err := nodeName(o.Name)
	if err != nil {
		return err
	}
	dir, err := engine.DataDir(o.DataDir, o.Env)
	if err != nil {
		return err
	}
	pruner, err := o.KeepCode.Pruner(dir, log)
	if err != nil {
		return err
	}
	api, err := o.Client()
	if err != nil {
		return err
	}
	drain, abort, stop := engine.Signals(ctx, o.Note)
	defer stop()
	endProfile, err := engine.Profile(o.Env, log)
	if err != nil {
		return flags.Valid(err)
	}
	defer endProfile()
	services, err := o.Services.Await(drain, "flow agent "+name, log)
	if err != nil {
		return engine.Unless(drain, err)
	}
	node, err := engine.Agent(engine.AgentConfig{Node: name, CPUs: o.CPUs, Stack: services, API: api, KeepResults: o.Results, Dir: dir, Logger: log})
	if err != nil {
		return errors.Join(err, services.Close())
	}
	var g errgroup.Group
	done := make(chan struct{})
	pruning, stopPruning := context.WithCancel(drain)
	defer stopPruning()
	g.Go(func() error { return engine.PruneWith(pruning, pruner, node.Ready()) })
	g.Go(func() error { defer close(done); defer stopPruning(); return node.Run(drain, abort) })
	select {
	case <-node.Ready():
		fmt.Fprintf(o.Out, "flow agent: node %s has %d CPUs\n", name, o.CPUs)
	case <-done:
	}
	return errors.Join(g.Wait(), services.Close())
}

// nodeName is the name that was said, else the first part of the hostname.
func nodeName(said string) (string, error) {
	if said != "" {
		return said, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("this machine does not tell its name: give one with --name: %w", err)
	}
	short, _, _ := strings.Cut(host, ".")
	return short, nil
}
