// Package server is the commands that run the control plane.
package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/cmd/flow/engine"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/group"
	"github.com/elasticcode/flow/processor/prune"
	"github.com/elasticcode/flow/server"
)

// Options are the options of "flow server start".
type Options struct {
	*factory.Factory
	Services engine.Services
	Keep     engine.Keep
	DataDir  string
	Listen   string
	Roles    string
	KeepCode engine.KeepCode
}

// NewCmd returns "flow server".
func NewCmd(f *factory.Factory) *cobra.Command {
	return group.New("server", "Run the control plane", newStart(f, "start", server.Roles()...))
}

// NewCmdAPI returns "flow api", the original's name for a server that only
// serves the API.
func NewCmdAPI(f *factory.Factory) *cobra.Command {
	return group.New("api", "Run the API alone", newStart(f, "start", server.RoleAPI))
}

// NewCmdScheduler returns "flow scheduler", the original's name for a server
// that only places processors.
func NewCmdScheduler(f *factory.Factory) *cobra.Command {
	return group.New("scheduler", "Run the scheduler alone", newStart(f, "start", server.RoleScheduler))
}

func newStart(f *factory.Factory, use string, roles ...string) *cobra.Command {
	o := &Options{Factory: f, Roles: strings.Join(roles, ",")}
	cmd := &cobra.Command{
		Use:   use,
		Short: "Run it in this terminal until it is stopped",
		Long: `Run a server. It needs a broker, a backend and a migrated database ('flow db
init'); one that is away is waited for. Several servers may run with the same
ones. It listens on loopback unless told otherwise: put a proxy that speaks TLS
in front of anything else.`,
		Example: "  FLOW_DB=postgres://flow@db/flow flow server start --broker amqp://mq --backend redis://cache",
		Args:    flags.None,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	o.Services.AddFlags(cmd, true)
	cmd.Flags().StringVar(&o.DataDir, "data-dir", "", "where the sealing key and cached repositories are kept; default $XDG_DATA_HOME/flow")
	o.KeepCode.AddFlags(cmd)
	if len(roles) > 1 {
		o.Keep.AddFlags(cmd)
		cmd.Flags().StringVar(&o.Roles, "roles", o.Roles, "what this server does, with commas between")
	}
	if strings.Contains(o.Roles, server.RoleAPI) {
		cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:8700", "where the API listens, HOST:PORT")
	}
	return cmd
}

func run(ctx context.Context, o *Options) error {
	log, err := engine.Logger(o.Err, o.ErrTTY, o.Env, o.Options.Debug)
	if err != nil {
		return flags.Valid(err)
	}
	o.Services.Fill(o.Env, engine.Services{})
	if o.Services.Broker == "" || o.Services.Backend == "" || o.Services.DB == "" {
		return flags.Valid(errors.New("a server needs --broker, --backend and --db (or FLOW_BROKER, FLOW_BACKEND and FLOW_DB); 'flow up' needs none of them"))
	}
	dir, err := engine.DataDir(o.DataDir, o.Env)
	if err != nil {
		return err
	}
	pruner, err := o.KeepCode.Pruner(dir, log)
	if err != nil {
		return err
	}
	drain, _, stop := engine.Signals(ctx, o.Note)
	defer stop()
	endProfile, err := engine.Profile(o.Env, log)
	if err != nil {
		return flags.Valid(err)
	}
	defer endProfile()
	db, err := engine.AwaitStore(drain, o.Services.DB, log)
	if err != nil {
		return engine.Unless(drain, err)
	}
	services, err := o.Services.Await(drain, "flow server", log)
	if err != nil {
		return errors.Join(engine.Unless(drain, err), db.Close())
	}
	return errors.Join(serve(drain, o, pruner, engine.ServerConfig{
		Roles: strings.Split(o.Roles, ","), Stack: services, Store: db, Listen: o.Listen, Keep: o.Keep, Dir: dir, Env: o.Env, Logger: log,
	}), db.Close(), services.Close())
}

func serve(ctx context.Context, o *Options, pruner *prune.Pruner, cfg engine.ServerConfig) error {
	srv, addr, err := engine.Server(ctx, cfg)
	if err != nil {
		return err
	}
	if addr != "" {
		fmt.Fprintf(o.Out, "flow server (%s): the API listens on http://%s\n", o.Roles, addr)
	} else {
		fmt.Fprintf(o.Out, "flow server (%s) runs\n", o.Roles)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	g.Go(func() error { return pruner.Run(ctx) })
	g.Go(func() error { defer stop(); return srv.Run(ctx) })
	return g.Wait()
}
