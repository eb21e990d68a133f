package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// Values keeps and finds the large values of calls.
type Values interface {
	// Keep returns when the values are durable.
	Keep(ctx context.Context, blobs ...model.Blob) error
	// Fetch returns those of the values that are known, by hash.
	Fetch(ctx context.Context, hashes ...string) (map[string]json.RawMessage, error)
}

// Unkept says that the large values of calls could not be made durable; the
// calls were not accepted.
type Unkept struct{ Err error }

// Error says what failed.
func (e *Unkept) Error() string { return "large values cannot be kept now: " + e.Err.Error() }

// Unwrap lets errors.Is find the cause.
func (e *Unkept) Unwrap() error { return e.Err }

// find fetches what the references name. What a worker has told a moment ago may
// not be there yet, so it looks again for a while.
func (a *API) find(ctx context.Context, refs []model.Ref) (map[string]json.RawMessage, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	hashes := model.Hashes(refs)
	for end := time.Now().Add(recorderLag); ; {
		found, err := a.cfg.Values.Fetch(ctx, hashes...)
		if err != nil || len(found) == len(hashes) || time.Now().After(end) || pause(ctx, 50*time.Millisecond) != nil {
			return found, err
		}
	}
}

// whole is a call with its large values in their places. One that cannot be
// found stays a reference.
func (a *API) whole(ctx context.Context, c model.Call) (model.Call, error) {
	values, err := a.find(ctx, c.Refs)
	if err != nil {
		return c, fmt.Errorf("large values of call %s: %w", c.ID, err)
	}
	return c.Open(values), nil
}

// fill puts a large result into the outcome. Nothing else may stand for it, so
// it is an error when it cannot be found.
func (a *API) fill(ctx context.Context, out *client.Outcome) error {
	if len(out.Refs) == 0 {
		return nil
	}
	values, err := a.find(ctx, out.Refs)
	if err != nil {
		return fmt.Errorf("result of call %s: %w", out.ID, err)
	}
	p := model.Places{Ones: map[string]*json.RawMessage{"result": &out.Result}}
	if out.Refs = p.Fill(out.Refs, values); len(out.Refs) > 0 {
		return problem(http.StatusServiceUnavailable,
			fmt.Sprintf("call %s is %s, and its result of %d bytes is not here yet", out.ID, out.State, out.Refs[0].Size),
			"ask again for the result of the call: it is on its way into the database")
	}
	return nil
}

// ofResultPlace are the references of a call that an outcome has.
func ofResultPlace(refs []model.Ref) []model.Ref {
	return model.Rebase(refs, model.ResultPlace, model.ResultPlace)
}

type valueIn struct {
	Hash string `path:"hash" minLength:"64" maxLength:"64" doc:"SHA-256 of the value, in hex"`
}

type valueOut struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// getValue is for workers whose result store has lost its memory.
func (a *API) getValue(ctx context.Context, in *valueIn) (*valueOut, error) {
	found, err := a.cfg.Values.Fetch(ctx, in.Hash)
	if err != nil {
		return nil, err
	}
	value, ok := found[in.Hash]
	if !ok {
		return nil, &store.NotFound{Kind: "value", Name: in.Hash}
	}
	return &valueOut{ContentType: "application/octet-stream", Body: value}, nil
}
