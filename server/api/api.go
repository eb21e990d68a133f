package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/server/access"
	"github.com/elasticcode/flow/store"
)

// Config is what the API needs. Everything is required.
type Config struct {
	Store     *store.Store
	Submitter Submitter
	Topology  Topology
	Inspector Inspector
	Resolver  Resolver
	Health    Health
	Canceller Canceller
	Redriver  Redriver
	Values    Values
	Results   result.Store
	Events    event.Bus
	// Sealer keeps the credentials of git repositories.
	Sealer  *access.Sealer
	Version client.Version
	Logger  *slog.Logger
}

func (c Config) validate() error {
	switch {
	case c.Store == nil:
		return errors.New("the API needs a store")
	case c.Submitter == nil || c.Topology == nil || c.Inspector == nil || c.Resolver == nil || c.Health == nil:
		return errors.New("the API needs a submitter, topology, inspector, resolver and health")
	case c.Canceller == nil || c.Redriver == nil || c.Values == nil:
		return errors.New("the API needs a canceller, a redriver and values")
	case c.Results == nil || c.Events == nil || c.Sealer == nil || c.Logger == nil:
		return errors.New("the API needs results, events, a sealer and a logger")
	}
	return nil
}

// API answers HTTP requests. Make one with New.
type API struct {
	cfg   Config
	log   *slog.Logger
	guard *access.Guard
	bell  *bell
	name  string // of this server among others, made up anew at each start
	// followers are the agents that wait for changes here.
	followers *followers
	catalog   *catalog
	plans     *plans
	handler   http.Handler
	huma      huma.API

	// shape is held while what exists on the broker and in the database is
	// changed together, so that one request does not remove what another has
	// just found there.
	shape sync.Mutex
	// life ends when Run does: waiting requests answer then.
	life context.Context
	end  context.CancelFunc
}

// New returns the API. It answers without Run, too, but then learns late of
// changes made by other servers.
func New(cfg Config) (*API, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("make API: %w", err)
	}
	log := cfg.Logger.With("component", "api")
	guard, err := access.NewGuard(access.Config{
		Tokens: cfg.Store, Logger: cfg.Logger,
		Unknown: func(err error) bool { return errors.Is(err, store.ErrNotFound) },
	})
	if err != nil {
		return nil, fmt.Errorf("make API: %w", err)
	}
	a := &API{cfg: cfg, log: log, guard: guard, bell: newBell(), name: model.NewID(), followers: newFollowers()}
	a.life, a.end = context.WithCancel(context.Background())
	a.catalog, a.plans = newCatalog(cfg.Store, a.bell), newPlans(cfg.Store, a.bell)

	useProblems()
	mux := http.NewServeMux()
	a.huma = humago.New(mux, config(cfg.Version))
	a.huma.UseMiddleware(a.authorize)
	a.routes()
	if err := a.serveDocument(mux); err != nil {
		return nil, err
	}
	a.handler = a.outer(mux)
	return a, nil
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// OpenAPI is the description of the API.
func (a *API) OpenAPI() *huma.OpenAPI { return a.huma.OpenAPI() }

// config describes the API; parts of huma that load pages from elsewhere or
// add to answers are left out.
func config(v client.Version) huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Flow", Version: v.Version,
				Description: "The API of a Flow server. Every answer that is not good is a problem (RFC 9457) with a code, what failed and why, and a hint of what to do next.",
				License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token": {Type: "http", Scheme: "bearer", Description: "A token: flow_…"},
				},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
}

// serveDocument makes the OpenAPI document once, when all routes are known.
func (a *API) serveDocument(mux *http.ServeMux) error {
	doc, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return fmt.Errorf("make OpenAPI document: %w", err)
	}
	mux.HandleFunc("GET /v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(doc)
	})
	return nil
}

func (a *API) routes() {
	a.networkRoutes()
	a.queueRoutes()
	a.processorRoutes()
	a.socketRoutes()
	a.plugRoutes()
	a.deploymentRoutes()
	a.nodeRoutes()
	a.taskRoutes()
	a.submitRoutes()
	a.callRoutes()
	a.cancelRoutes()
	a.deadRoutes()
	a.eventRoutes()
	a.agentRoutes()
	a.tokenRoutes()
	a.statusRoutes()
}

// user is the name of the user who asks.
func user(ctx context.Context) string { return identity(ctx).User }
