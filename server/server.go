// Package server is the control plane: the HTTP API in front of the model, the
// recorder of the history, the joiner of arguments, the scheduler that places
// processors, and the topology that keeps the broker as the model wants it.
//
// It is the only part of Flow that opens the database. Any number of servers
// may run with the same database and broker; each does the roles it is given.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/server/access"
	"github.com/elasticcode/flow/server/api"
	"github.com/elasticcode/flow/server/canceller"
	"github.com/elasticcode/flow/server/joiner"
	"github.com/elasticcode/flow/server/recorder"
	"github.com/elasticcode/flow/server/redriver"
	"github.com/elasticcode/flow/server/rescuer"
	"github.com/elasticcode/flow/server/retention"
	"github.com/elasticcode/flow/server/scheduler"
	"github.com/elasticcode/flow/server/topology"
	"github.com/elasticcode/flow/server/values"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/store"
)

// The roles of a server.
const (
	RoleAPI       = "api"       // the HTTP API
	RoleRecorder  = "recorder"  // history, joins, and calls that are cancelled, run again or rescued
	RoleScheduler = "scheduler" // placement and topology
)

// Roles lists all roles.
func Roles() []string { return []string{RoleAPI, RoleRecorder, RoleScheduler} }

// Config is what a server needs.
type Config struct {
	Roles   []string
	Store   *store.Store
	Broker  broker.Broker
	Events  event.Bus
	Results result.Store
	// Listener is where the API is served; the server closes it. Only needed
	// for the role api.
	Listener net.Listener
	Resolver api.Resolver
	// Key seals the credentials of git repositories; access.KeySize bytes.
	Key []byte
	// KeepAge and KeepCalls bound the history of ended calls, by age and by
	// number in each network; 0 keeps all.
	KeepAge   time.Duration
	KeepCalls int64
	// Services tells how the broker and the backend are.
	Services func(ctx context.Context) (broker, backend client.Health)
	Version  client.Version
	Logger   *slog.Logger
	// Fault, if set, is called at the named points between the steps of what the
	// server does: tests end the process there.
	Fault func(point string)
}

// Server is the control plane. Make one with New.
type Server struct {
	cfg       Config
	log       *slog.Logger
	api       *api.API
	topology  *topology.Topology
	scheduler *scheduler.Scheduler
	canceller *canceller.Canceller
	redriver  *redriver.Redriver
	values    *values.Values
	scribe    *scribe // of the role api
	started   time.Time
}

// New returns a server that does nothing until Run.
func New(cfg Config) (*Server, error) {
	if cfg.Fault == nil {
		cfg.Fault = func(string) {}
	}
	declared := topology.New(cfg.Broker, cfg.Store, cfg.Results, cfg.Logger)
	cfg.Broker = declared.Watch()
	s := &Server{cfg: cfg, topology: declared, log: cfg.Logger.With("component", "server"), started: time.Now().UTC()}
	if err := s.checkRoles(); err != nil {
		return nil, err
	}
	if cfg.KeepAge < 0 || cfg.KeepCalls < 0 {
		return nil, fmt.Errorf("history cannot be kept for less than nothing: age %s, calls %d", cfg.KeepAge, cfg.KeepCalls)
	}
	s.canceller = canceller.New(canceller.Config{History: cfg.Store, Results: cfg.Results, Logger: cfg.Logger})
	s.redriver = redriver.New(redriver.Config{History: cfg.Store, Results: cfg.Results, Sender: socket.NewSender(cfg.Broker), Logger: cfg.Logger})
	s.values = values.New(cfg.Store, cfg.Results, cfg.Logger)
	if s.has(RoleAPI) {
		s.scribe = newScribe(cfg.Broker, s.log)
		sealer, err := access.NewSealer(cfg.Key)
		if err != nil {
			return nil, err
		}
		s.api, err = api.New(api.Config{
			Store: cfg.Store, Submitter: submitter{sender: socket.NewSender(cfg.Broker), values: s.values, scribe: s.scribe, fault: cfg.Fault}, Topology: board{s.topology}, Inspector: board{s.topology},
			Resolver: cfg.Resolver, Health: s, Canceller: s.canceller, Redriver: s.redriver, Values: s.values, Results: cfg.Results, Events: cfg.Events, Sealer: sealer, Version: cfg.Version, Logger: cfg.Logger,
		})
		if err != nil {
			return nil, err
		}
	}
	s.scheduler = scheduler.New(scheduler.Config{Objects: cfg.Store, Logger: cfg.Logger, Changed: s.placed})
	return s, nil
}

func (s *Server) checkRoles() error {
	if len(s.cfg.Roles) == 0 {
		return errors.New("a server needs at least one role")
	}
	for _, r := range s.cfg.Roles {
		if r != RoleAPI && r != RoleRecorder && r != RoleScheduler {
			return fmt.Errorf("role %q is unknown: use %v", r, Roles())
		}
	}
	return nil
}

func (s *Server) has(role string) bool {
	return slices.Contains(s.cfg.Roles, role)
}

// placed tells the API's waiting agents, here and in other servers, that
// deployments changed.
func (s *Server) placed() {
	if s.api != nil {
		s.api.Changed()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	news := event.Message{Channel: api.Changes, Data: []byte(`{"type":"change","kind":"deployment","change":"updated"}`)}
	if err := s.cfg.Events.Publish(ctx, news); err != nil {
		s.log.Debug("change not announced", "err", err)
	}
}

// Run does the server's roles until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if err := s.topology.ApplyAll(ctx); err != nil {
		s.log.Warn("queues cannot be declared now, trying again", "err", err)
	}
	s.beginAnew(ctx)
	if s.has(RoleScheduler) {
		g.Go(func() error { return s.topology.Run(ctx) })
		g.Go(func() error { return s.scheduler.Run(ctx) })
		g.Go(func() error { return s.hear(ctx) })
	} else {
		g.Go(func() error { return s.topology.RunMissed(ctx) })
	}
	if s.has(RoleRecorder) {
		known := newCatalog(s.cfg.Store)
		rec := recorder.New(recorder.Config{
			Broker: s.cfg.Broker, History: s.cfg.Store, Results: s.cfg.Results, Owner: known.Owner, Follow: known.Follow, Logger: s.cfg.Logger,
			Unavailable: func(err error) bool { return errors.Is(err, store.ErrUnavailable) }, Fault: s.cfg.Fault,
		})
		join := joiner.New(joiner.Config{
			Broker: s.cfg.Broker, Slots: s.cfg.Store, Catalog: known, Results: s.cfg.Results, Values: s.values, Logger: s.cfg.Logger, Fault: s.cfg.Fault,
		})
		keep := retention.New(retention.Config{History: s.cfg.Store, Age: s.cfg.KeepAge, Calls: s.cfg.KeepCalls, Logger: s.cfg.Logger})
		rescue := rescuer.New(rescuer.Config{
			History: s.cfg.Store, Queues: s.cfg.Broker, Claims: s.cfg.Results, Sender: socket.NewSender(s.cfg.Broker), Logger: s.cfg.Logger,
		})
		keep.Ahead(ctx) // before the first record
		g.Go(func() error { return rec.Run(ctx) })
		g.Go(func() error { return keep.Run(ctx) })
		g.Go(func() error { return join.Run(ctx) })
		g.Go(func() error { return s.canceller.Run(ctx) })
		g.Go(func() error { return s.redriver.Run(ctx) })
		g.Go(func() error { return rescue.Run(ctx) })
	}
	if s.has(RoleAPI) {
		g.Go(func() error { return s.api.Run(ctx) })
		// The last request ends before the records of what it submitted are sent.
		scribing, ended := context.WithCancel(context.WithoutCancel(ctx))
		g.Go(func() error { return s.scribe.Run(scribing) })
		g.Go(func() error {
			defer ended()
			return s.serve(ctx)
		})
	}
	return g.Wait()
}

// hear wakes the scheduler when something was declared or changed.
func (s *Server) hear(ctx context.Context) error {
	news := make(chan event.Message, 64)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for ctx.Err() == nil {
			if err := s.cfg.Events.Subscribe(ctx, event.Subscription{Pattern: api.Changes}, news, nil); err != nil && ctx.Err() == nil {
				s.log.Debug("changes are not heard, trying again", "err", err)
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
			}
		}
		return nil
	})
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-news:
				s.scheduler.Wake()
			}
		}
	})
	return g.Wait()
}

// serve answers HTTP requests until ctx ends, and lets those under way finish.
func (s *Server) serve(ctx context.Context) error {
	srv := &http.Server{Handler: s.api, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug)}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(s.cfg.Listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve the API: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(stopping); err != nil {
		_ = srv.Close()
	}
	<-done //nolint:errcheck // it was told to end
	return nil
}

// Status asks all services how they are.
func (s *Server) Status(ctx context.Context) client.Status {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	out := client.Status{Version: s.cfg.Version.Version, Started: s.started, UptimeMS: time.Since(s.started).Milliseconds(), Store: client.Health{OK: true}}
	if err := s.cfg.Store.Ping(ctx); err != nil {
		out.Store = client.Health{Message: err.Error()}
	}
	out.Broker, out.Backend = s.cfg.Services(ctx)
	return out
}
