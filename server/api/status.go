package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/elasticcode/flow/client"
)

func (a *API) statusRoutes() {
	const tag = "server"
	register(a, op("GET", "/v1/status", "status", tag, "Show how the server and the services behind it are"), a.status)
	register(a, publicOp("/healthz", "healthz", "Tell that the server runs"), a.healthz)
	register(a, publicOp("/readyz", "readyz", "Tell whether the server can work"), a.readyz)
	register(a, publicOp("/v1/version", "version", "Show which program the server runs"), a.version)
}

// publicOp is an operation that needs no token.
func publicOp(path, id, summary string) huma.Operation {
	o := op("GET", path, id, "server", summary)
	o.Security = []map[string][]string{}
	o.Errors = []int{http.StatusServiceUnavailable}
	return o
}

func (a *API) status(ctx context.Context, _ *struct{}) (*body[client.Status], error) {
	return &body[client.Status]{a.cfg.Health.Status(ctx)}, nil
}

func (a *API) version(context.Context, *struct{}) (*body[client.Version], error) {
	return &body[client.Version]{a.cfg.Version}, nil
}

// Alive is the answer of the health checks.
type Alive struct {
	OK bool `json:"ok" doc:"Always true"`
}

func (a *API) healthz(context.Context, *struct{}) (*body[Alive], error) {
	return &body[Alive]{Alive{OK: true}}, nil
}

func (a *API) readyz(ctx context.Context, _ *struct{}) (*body[Alive], error) {
	s := a.cfg.Health.Status(ctx)
	if s.OK() {
		return &body[Alive]{Alive{OK: true}}, nil
	}
	var down []string
	for _, h := range []struct {
		name string
		is   client.Health
	}{{"the broker", s.Broker}, {"the result store or event bus", s.Backend}, {"the database", s.Store}} {
		if !h.is.OK {
			down = append(down, h.name)
		}
	}
	return nil, problem(http.StatusServiceUnavailable, strings.Join(down, " and ")+" cannot be reached now", "it is tried again; 'flow status' says more")
}
