// Package values keeps the large values of calls, which do not travel inside
// them: durably in the database, and for a while in the result store, where the
// workers look first.
package values

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/store"
)

type durable interface {
	KeepBlobs(ctx context.Context, parts ...model.BlobPart) error
	HoldBlobs(ctx context.Context, calls ...model.Call) error
	Blob(ctx context.Context, hash string) (json.RawMessage, error)
}

// fastTime is how long the result store may take, which can be done without.
const fastTime = 5 * time.Second

// Values keeps and finds large values. Make one with New.
type Values struct {
	durable durable
	fast    result.Blobs // nil: the result store keeps none
	log     *slog.Logger
}

// New returns values in the database and, if it keeps such, the result store.
func New(db durable, results result.Store, log *slog.Logger) *Values {
	fast, _ := results.(result.Blobs)
	return &Values{durable: db, fast: fast, log: log.With("component", "values")}
}

// Keep returns when the database has the values. That the result store has
// them, too, only saves the workers a question.
func (v *Values) Keep(ctx context.Context, blobs ...model.Blob) error {
	for _, b := range blobs {
		if err := v.durable.KeepBlobs(ctx, b.Parts()...); err != nil {
			return fmt.Errorf("keep a value of %d bytes: %w", len(b.Value), err)
		}
	}
	if len(blobs) == 0 || v.fast == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, fastTime)
	defer cancel()
	if err := v.fast.Keep(ctx, result.BlobTTL, blobs...); err != nil {
		v.log.WarnContext(ctx, "large values are in the database only", "values", len(blobs), "err", err)
	}
	return nil
}

// Hold returns when the database knows which values the calls have: nothing else
// may tell it before they run.
func (v *Values) Hold(ctx context.Context, calls ...model.Call) error {
	if err := v.durable.HoldBlobs(ctx, calls...); err != nil {
		return fmt.Errorf("hold the values of %d calls: %w", len(calls), err)
	}
	return nil
}

// Fetch returns those of the values that are known, by hash.
func (v *Values) Fetch(ctx context.Context, hashes ...string) (map[string]json.RawMessage, error) {
	found := v.fetchFast(ctx, hashes)
	for _, h := range hashes {
		if _, ok := found[h]; ok {
			continue
		}
		value, err := v.durable.Blob(ctx, h)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			found[h] = value
		}
	}
	return found, nil
}

func (v *Values) fetchFast(ctx context.Context, hashes []string) map[string]json.RawMessage {
	if v.fast == nil || len(hashes) == 0 {
		return map[string]json.RawMessage{}
	}
	ctx, cancel := context.WithTimeout(ctx, fastTime)
	defer cancel()
	found, err := v.fast.Fetch(ctx, hashes...)
	if err != nil {
		v.log.DebugContext(ctx, "large values are read from the database", "values", len(hashes), "err", err)
		return map[string]json.RawMessage{}
	}
	return result.Genuine(found)
}
