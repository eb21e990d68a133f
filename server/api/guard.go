package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/server/access"
)

// public operations need no token.
var public = map[string]bool{"healthz": true, "readyz": true, "version": true}

type identityKey struct{}

// identity is the token that the request was made with; empty on a public one.
func identity(ctx context.Context) model.Token {
	t, _ := ctx.Value(identityKey{}).(model.Token)
	return t
}

// authorize lets a request pass whose token may do the operation.
func (a *API) authorize(ctx huma.Context, next func(huma.Context)) {
	operation := ctx.Operation().OperationID
	if public[operation] {
		next(ctx)
		return
	}
	token, err := a.guard.Verify(ctx.Context(), bearer(ctx.Header("Authorization")))
	if err == nil {
		err = access.Allow(token.Scope, operation)
	}
	if err != nil {
		_, w := humago.Unwrap(ctx)
		write(w, refused(err))
		return
	}
	next(huma.WithValue(ctx, identityKey{}, token))
}

func bearer(header string) string {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func refused(err error) *client.Problem {
	const hint = "give a valid token with --token-file or FLOW_TOKEN; 'flow up' and 'flow db init' write one to the context file"
	switch {
	case errors.Is(err, access.ErrDenied):
		return problem(http.StatusForbidden, err.Error(), "use a token of the scope that is needed")
	case errors.Is(err, access.ErrUnavailable):
		return problem(http.StatusServiceUnavailable, "the token cannot be verified now: the database cannot be reached", "try again soon; the token need not be changed")
	}
	return problem(http.StatusUnauthorized, err.Error(), hint)
}

// write answers with a problem outside of huma.
func write(w http.ResponseWriter, p *client.Problem) {
	data, err := json.Marshal(p)
	if err != nil { // a problem holds text only
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="flow"`)
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_, _ = w.Write(data)
}
