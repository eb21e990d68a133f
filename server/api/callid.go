package api

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// A submission may be given an id of its own: a UUID is the id of the call, and from
// anything else that follows, together with what is called. So the same key is another
// call at another socket, and who asks for a call may name it by the key.

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

// callID is the id of a submission's call: new, or what follows from the id
// that was given.
func callID(network string, s client.Submission) string {
	switch {
	case s.ID == "":
		return model.NewID()
	case uuid.MatchString(s.ID):
		return strings.ToLower(s.ID)
	}
	return keyed(network, s.Socket+s.Task, s.ID)
}

// keyed is the id of the call of a socket or function that was submitted under a key.
func keyed(network, called, key string) string {
	return model.DeriveID("idempotency", network, called, key)
}

// identify returns the id of the call that is meant: by its id, or by the key that it
// was submitted under to one of the sockets that are there now. What no call on record
// has is taken for an id: others may know of a call before the history does. A key of
// several calls is a *store.Ambiguous.
func (a *API) identify(ctx context.Context, network, named string) (string, error) {
	if uuid.MatchString(named) {
		return named, nil
	}
	id, err := patient(ctx, func() (string, error) {
		if _, known := a.unrecorded(ctx, named); known {
			return named, nil
		}
		return a.onRecord(ctx, network, named)
	})
	return orAsNamed(id, named, err)
}

// orAsNamed takes what was not found for an id.
func orAsNamed(id, named string, err error) (string, error) {
	if errors.Is(err, store.ErrNotFound) || away(err) {
		return named, nil
	}
	return id, err
}

// onRecord finds the call that is meant in the history.
func (a *API) onRecord(ctx context.Context, network, named string) (string, error) {
	endpoints, err := a.cfg.Store.Endpoints(ctx, network)
	if err != nil {
		return "", err
	}
	candidates := []string{named} // of another client, whose ids are its own
	for _, e := range endpoints {
		for _, called := range [...]string{e.Socket.Name, e.Socket.Task, e.Module + "." + e.Socket.Task} {
			candidates = append(candidates, keyed(network, called, named))
		}
	}
	slices.Sort(candidates)
	found, err := a.cfg.Store.Recorded(ctx, slices.Compact(candidates)...)
	switch {
	case err != nil:
		return "", err
	case slices.Contains(found, named):
		return named, nil
	case len(found) == 0:
		return "", &store.NotFound{Kind: "call", Name: named}
	case len(found) > 1:
		slices.Sort(found)
		return "", &store.Ambiguous{Kind: "call", Name: named, Candidates: found}
	}
	return found[0], nil
}

// identifyAll does so for several calls that have ended, and waits for none of them.
func (a *API) identifyAll(ctx context.Context, network string, named []string) ([]string, error) {
	out := slices.Clone(named)
	for i, n := range named {
		if uuid.MatchString(n) {
			continue
		}
		id, err := a.onRecord(ctx, network, n)
		if out[i], err = orAsNamed(id, n, err); err != nil {
			return nil, err
		}
	}
	return out, nil
}
