package result

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/elasticcode/flow/model"
)

// Blobs is a Store that also keeps large values, by the SHA-256 of their bytes.
// It is the fast copy: the database has what was accepted, so that a value that
// is not here any more costs a question to the server.
type Blobs interface {
	// Keep keeps the values for ttl; for those it has already, ttl begins anew.
	Keep(ctx context.Context, ttl time.Duration, blobs ...model.Blob) error
	// Fetch returns those of the values that are here, whole, by hash.
	Fetch(ctx context.Context, hashes ...string) (map[string]json.RawMessage, error)
}

// BlobTTL is for how long large values should be kept: the time in which what
// refers to them usually runs. They need much memory, and the database has them.
const BlobTTL = time.Hour

// Seal returns the result with references in the place of large values, and
// those values. They are to be kept before the result is.
func (r Result) Seal() (Result, []model.Blob) {
	var t model.Taken
	r.Value, r.Plugs = t.Take("/value", r.Value), t.TakeAll("/plugs", r.Plugs)
	if len(t.Refs) > 0 {
		r.Refs = append(slices.Clip(r.Refs), t.Refs...)
	}
	return r, t.Blobs
}

// Open returns the result with the values, by hash, in the places of their
// references. A reference whose value is not there stays one.
func (r Result) Open(values map[string]json.RawMessage) Result {
	r.Plugs = maps.Clone(r.Plugs)
	p := model.Places{
		Ones: map[string]*json.RawMessage{"value": &r.Value},
		Maps: map[string]map[string]json.RawMessage{"plugs": r.Plugs},
	}
	r.Refs = p.Fill(r.Refs, values)
	return r
}

// Tell writes into the record of a call how it ended.
func (r Result) Tell(c *model.Call) {
	c.State, c.Result, c.Failure, c.Joined = r.State, r.Value, r.Failure, r.Joined
	c.Refs = append(slices.Clip(c.Refs), model.Rebase(r.Refs, "/value", model.ResultPlace)...)
}

// Genuine leaves out the values that are not what their hashes say: a copy that
// was damaged is none.
func Genuine(found map[string]json.RawMessage) map[string]json.RawMessage {
	maps.DeleteFunc(found, func(hash string, v json.RawMessage) bool { return model.NewBlob(v).Hash != hash })
	return found
}
