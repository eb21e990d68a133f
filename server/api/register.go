package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/store"
)

// bodyTime is how long a request's body may take to arrive.
const bodyTime = 2 * time.Minute

// requestTime ends any request but that of a listener. It is longer than the
// longest wait that can be asked for, and than a large repository takes to fetch.
const requestTime = 110 * time.Second

// listening is the operation that ends when its caller does.
const listening = "listen"

// InNetwork is a request about objects of one network.
type InNetwork struct {
	Network string `query:"network" default:"default" maxLength:"80" doc:"Network that names belong to"`
}

// Named is a request about the object with a name.
type Named struct {
	Name string `path:"name" maxLength:"255" doc:"Name of the object"`
}

// Paged is a request for one page of a listing.
type Paged struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"Size of the page"`
	Cursor string `query:"cursor" maxLength:"1024" doc:"Continue behind an earlier page: its next"`
}

func (p Paged) list() store.List { return store.List{Cursor: p.Cursor, Limit: p.Limit} }

// body is an answer with a body.
type body[T any] struct{ Body T }

// object is a request about one object of a network.
type object struct {
	InNetwork
	Named
}

// listing is a request for a page of a network's objects.
type listing struct {
	InNetwork
	Paged
}

// creation is a request with an object to declare.
type creation[T any] struct {
	InNetwork
	Body T
}

// change is a request with fields to change.
type change[T any] struct {
	InNetwork
	Named
	Body T
}

// deletion is a request to delete an object.
type deletion struct {
	InNetwork
	Named
	Force bool `query:"force" doc:"Delete it together with the calls that wait in its queue"`
}

// op is an operation with what all have. The errors are those beyond the usual.
func op(method, path, id, tag, summary string, errs ...int) huma.Operation {
	o := huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary, Tags: []string{tag},
		Security:        []map[string][]string{{"token": {}}},
		Errors:          append([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable}, errs...),
		BodyReadTimeout: bodyTime,
	}
	return o
}

// The errors of the usual operations.
func listOp(path, id, tag, summary string) huma.Operation {
	return op(http.MethodGet, path, id, tag, summary, http.StatusBadRequest, http.StatusUnprocessableEntity)
}

func getOp(path, id, tag, summary string) huma.Operation {
	return op(http.MethodGet, path, id, tag, summary, http.StatusNotFound)
}

func createOp(path, id, tag, summary string) huma.Operation {
	o := op(http.MethodPost, path, id, tag, summary, http.StatusBadRequest, http.StatusNotFound, http.StatusConflict)
	o.DefaultStatus = http.StatusCreated
	return o
}

func updateOp(path, id, tag, summary string) huma.Operation {
	return op(http.MethodPatch, path, id, tag, summary, http.StatusBadRequest, http.StatusNotFound, http.StatusConflict)
}

func deleteOp(path, id, tag, summary string) huma.Operation {
	return op(http.MethodDelete, path, id, tag, summary, http.StatusNotFound, http.StatusConflict)
}

// register adds an operation; errors of the handler become problems.
func register[I, O any](a *API, o huma.Operation, handler func(context.Context, *I) (*O, error)) {
	huma.Register(a.huma, o, func(ctx context.Context, in *I) (*O, error) {
		if o.OperationID != listening { // which goes on after its handler
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, requestTime)
			defer cancel()
		}
		out, err := handler(ctx, in)
		if err == nil {
			return out, nil
		}
		if _, ok := errors.AsType[huma.StatusError](err); ok {
			return nil, err
		}
		return nil, a.problem(ctx, o.OperationID, err)
	})
}

// schemaName gives types names in the OpenAPI document.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[client.Event]() {
		return "News" // model.Event, a step in the life of a call, is Event
	}
	return huma.DefaultSchemaNamer(t, hint)
}
