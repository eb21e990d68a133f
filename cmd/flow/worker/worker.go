// Package worker is the command that runs one worker in the foreground.
package worker

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/agent"
	"github.com/elasticcode/flow/agent/worker"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/engine"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/group"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor/procgroup"
	"github.com/elasticcode/flow/processor/source"
	"github.com/elasticcode/flow/stack"
)

// Options are the options of "flow worker start".
type Options struct {
	*factory.Factory
	Services  engine.Services
	DataDir   string
	Results   engine.KeepResults
	Processor string
}

// NewCmd returns "flow worker".
func NewCmd(f *factory.Factory) *cobra.Command {
	return group.New("worker", "Run a single worker", newStart(f))
}

func newStart(f *factory.Factory) *cobra.Command {
	o := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "start -n PROCESSOR",
		Short: "Run one worker of a processor in this terminal, to debug it",
		Long: `Run one worker of a processor in this terminal until it is stopped. It takes calls
beside the workers that agents run; stop the processor first ('flow proc stop') to
have all of them. It needs the services that the server uses.`,
		Example: "  flow worker start -n proc1 --broker amqp://mq --backend redis://cache",
		Args:    flags.None,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	o.Services.AddFlags(cmd, false)
	cmd.Flags().StringVarP(&o.Processor, "name", "n", "", "name of the processor")
	cmd.Flags().StringVar(&o.DataDir, "data-dir", "", "where checkouts and environments are kept; default $XDG_DATA_HOME/flow")
	o.Results.AddFlags(cmd)
	complete.Option(cmd, f, "name", complete.Processors)
	flags.Required(cmd, "name")
	return cmd
}

func run(ctx context.Context, o *Options) error {
	log, err := engine.Logger(o.Err, o.ErrTTY, o.Env, o.Options.Debug)
	if err != nil {
		return flags.Valid(err)
	}
	o.Services.Fill(o.Env, engine.Services{})
	if o.Services.Broker == "" || o.Services.Backend == "" {
		return flags.Valid(errors.New("a worker needs --broker and --backend (or FLOW_BROKER and FLOW_BACKEND): the same as the server"))
	}
	if err := o.Results.Check(); err != nil {
		return err
	}
	dir, err := engine.DataDir(o.DataDir, o.Env)
	if err != nil {
		return err
	}
	api, err := o.Client()
	if err != nil {
		return err
	}
	as, err := api.Assignment(ctx, o.Processor)
	if err != nil {
		return err
	}
	sources, err := source.New(source.Config{Dir: filepath.Join(dir, "sources"), Logger: log})
	if err != nil {
		return err
	}
	drain, abort, stop := engine.Signals(ctx, o.Note)
	defer stop()
	procgroup.EndOrphans() // as an agent does
	program, err := agent.Prepare(drain, sources, engine.Runtimes(log), filepath.Join(dir, "cache"), as)
	if err != nil {
		return err
	}
	defer program.Close()
	services, err := o.Services.Open(drain, "flow worker", log)
	if err != nil {
		return err
	}
	w := worker.New(config(o, as, services, worker.Config{Program: program, Logger: log, History: api.Ended, Values: api.Values}))
	return errors.Join(w.Run(drain, abort), services.Close())
}

// config completes the worker's configuration. It is a node of its own, so that
// it never takes another's claims for those of a predecessor.
func config(o *Options, as model.Assignment, s *stack.Stack, cfg worker.Config) worker.Config {
	id := model.NewID()
	cfg.Name, cfg.Node, cfg.Epoch = "by-hand."+as.Processor.Name, "by-hand-"+id, id
	cfg.Processor, cfg.Endpoints = as.Processor, as.Sockets
	cfg.Broker, cfg.Results, cfg.Events = s.Broker, s.Results, s.Events
	cfg.ResultTTL = time.Duration(o.Results)
	cfg.Report = func(st worker.Status) {
		line := "worker " + string(st.Status)
		if st.PID != 0 {
			line = fmt.Sprintf("%s, process %d", line, st.PID)
		}
		if st.Message != "" {
			line += ": " + st.Message
		}
		o.Note("%s", line)
	}
	return cfg
}
