package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

var _ result.Blobs = (*Store)(nil)

// fetchAtOnce is how many large values are asked for in one round trip.
const fetchAtOnce = 16

func (s *Store) blobKey(hash string) string { return s.prefix + "{" + hash + "}:blob" }

// Keep keeps large values, in as many round trips as their size asks for.
func (s *Store) Keep(ctx context.Context, ttl time.Duration, blobs ...model.Blob) error {
	if ttl < time.Millisecond {
		return fmt.Errorf("keep large values for %v: they must be kept for a millisecond or longer", ttl)
	}
	for len(blobs) > 0 {
		pipe := s.client.Pipeline()
		size, n := 0, 0
		for _, b := range blobs {
			if n > 0 && size+len(b.Value) > batchBytes {
				break
			}
			pipe.Set(ctx, s.blobKey(b.Hash), []byte(b.Value), ttl)
			size += len(b.Value)
			n++
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return fmt.Errorf("keep %d large values: %w", n, wrap(ctx, err))
		}
		blobs = blobs[n:]
	}
	return nil
}

// Fetch returns those of the values that are here.
func (s *Store) Fetch(ctx context.Context, hashes ...string) (map[string]json.RawMessage, error) {
	found := make(map[string]json.RawMessage, len(hashes))
	err := chunks(hashes, fetchAtOnce, func(hashes []string) error {
		pipe := s.client.Pipeline()
		for _, h := range hashes {
			pipe.Get(ctx, s.blobKey(h))
		}
		cmds, _ := pipe.Exec(ctx)
		for i, c := range cmds {
			value, err := c.(*redis.StringCmd).Bytes()
			if errors.Is(err, redis.Nil) {
				continue
			}
			if err != nil {
				return fmt.Errorf("fetch %d large values: %w", len(hashes), wrap(ctx, err))
			}
			found[hashes[i]] = value
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}
