// Package up is the command that runs all of Flow in one process.
package up

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/contextfile"
	"github.com/elasticcode/flow/cmd/flow/engine"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/server"
)

// Options are the options of "flow up".
type Options struct {
	*factory.Factory
	Services engine.Services
	Keep     engine.Keep
	DataDir  string
	Listen   string
	Name     string
	CPUs     int
	KeepCode engine.KeepCode
	Results  engine.KeepResults
}

// NewCmd returns "flow up".
func NewCmd(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{Factory: f}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything on this machine: server, agent and embedded services",
		Long: `Run everything in this process: the server with its API, an agent for this
machine, and, where no URL says otherwise, an embedded broker and database that
keep what they have in the data directory.

It says on stdout when it is ready, and writes the context file, so that the next
flow command just works. SIGINT or SIGTERM stops it: calls that run may finish;
a second one abandons them, to be run again at the next start.`,
		Example: `  flow up
  flow up --broker amqp://guest@localhost --backend redis://localhost --db postgres://flow@localhost/flow`,
		Args: flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return run(cmd.Context(), o)
		},
	}
	o.Services.AddFlags(cmd, true)
	o.Keep.AddFlags(cmd)
	cmd.Flags().StringVar(&o.DataDir, "data-dir", "", "where data is kept; default $XDG_DATA_HOME/flow")
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:8700", "where the API listens, HOST:PORT; port 0 takes a free one")
	cmd.Flags().StringVarP(&o.Name, "name", "n", "localhost", "name of this machine as a node")
	cmd.Flags().IntVar(&o.CPUs, "cpus", runtime.NumCPU(), "how many workers may run here")
	o.KeepCode.AddFlags(cmd)
	o.Results.AddFlags(cmd)
	return cmd
}

func run(ctx context.Context, o *Options) error {
	if o.CPUs < 1 {
		return flags.Valid(fmt.Errorf("--cpus %d: at least 1 is needed", o.CPUs))
	}
	if err := o.Results.Check(); err != nil {
		return err
	}
	began := time.Now()
	log, err := engine.Logger(o.Err, o.ErrTTY, o.Env, o.Options.Debug)
	if err != nil {
		return flags.Valid(err)
	}
	dir, err := engine.DataDir(o.DataDir, o.Env)
	if err != nil {
		return err
	}
	pruner, err := o.KeepCode.Pruner(dir, log)
	if err != nil {
		return err
	}
	release, err := engine.LockDir(dir)
	if err != nil {
		return err
	}
	defer release()
	endProfile, err := engine.Profile(o.Env, log)
	if err != nil {
		return flags.Valid(err)
	}
	defer endProfile()
	home := "embedded:" + filepath.Join(dir, "nats")
	o.Services.Fill(o.Env, engine.Services{Broker: home, Backend: home, DB: "embedded:" + dir})
	drain, abort, stop := engine.Signals(ctx, o.Note)
	defer stop()

	services, err := o.Services.Open(drain, "flow up", log)
	if err != nil {
		return err
	}
	db, err := engine.OpenStore(drain, o.Services.DB)
	if err != nil {
		return errors.Join(err, services.Close())
	}
	err = serve(drain, abort, o, parts{dir: dir, services: services, db: db, pruner: pruner, log: log, began: began})
	return errors.Join(err, db.Close(), services.Close())
}

// serve runs the server and the agent until drain ends: the agent ends first,
// since its last calls and words need the server.
func serve(drain, abort context.Context, o *Options, p parts) error {
	if err := p.db.Migrate(drain); err != nil {
		return err
	}
	token, err := engine.AdminToken(drain, p.db, p.dir)
	if err != nil {
		return err
	}
	srv, addr, err := engine.Server(drain, engine.ServerConfig{
		Roles: server.Roles(), Stack: p.services, Store: p.db, Listen: o.Listen, Keep: o.Keep, Dir: p.dir, Env: o.Env, Logger: p.log,
	})
	if err != nil {
		return err
	}
	url := "http://" + addr
	node, err := engine.Agent(engine.AgentConfig{
		Node: o.Name, CPUs: o.CPUs, Stack: p.services, KeepResults: o.Results, Dir: p.dir, Logger: p.log,
		API: client.New(client.Config{Server: url, Token: token, UserAgent: "flow-agent"}),
	})
	if err != nil {
		return err
	}
	serving, stopServer := context.WithCancel(context.WithoutCancel(drain))
	defer stopServer()
	var servers, agents errgroup.Group
	failed := make(chan struct{}, 2)
	servers.Go(func() error { err := srv.Run(serving); failed <- struct{}{}; return err })
	working, stopAgent := context.WithCancel(drain)
	defer stopAgent()
	agents.Go(func() error { return engine.PruneWith(working, p.pruner, node.Ready()) })
	agents.Go(func() error { err := node.Run(working, abort); failed <- struct{}{}; return err })
	select {
	case <-node.Ready():
		if err := contextfile.Save("", "local", contextfile.Context{Server: url, Token: token}); err != nil {
			o.Note("warning: %v: name the server with --server %s", err, url)
		}
		fmt.Fprintf(o.Out, "flow is ready in %.1f s: the API listens on %s, node %s has %d CPUs, data is in %s\n",
			time.Since(p.began).Seconds(), url, o.Name, o.CPUs, p.dir)
	case <-failed:
	}
	select {
	case <-failed:
	case <-drain.Done():
	}
	stopAgent()
	err = agents.Wait()
	stopServer()
	return errors.Join(err, servers.Wait())
}
