package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/elasticcode/flow/result"
)

var _ result.Limiter = (*Store)(nil)

// limits is the store's way to its buckets and rooms.
type limits struct {
	mu sync.Mutex // guards kv
	kv jetstream.KeyValue
}

// between two tries to change what others change.
const limitPause = 2 * time.Millisecond

// values opens the key-value bucket, and makes it when nobody has.
func (s *Store) values(ctx context.Context) (jetstream.KeyValue, error) {
	if err := s.connected(); err != nil {
		return nil, err
	}
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	if s.limits.kv != nil {
		return s.limits.kv, nil
	}
	name := s.cfg.Prefix + "FLOW_LIMITS"
	kv, err := s.js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		cfg := jetstream.KeyValueConfig{Bucket: name, Description: "Flow: buckets of tokens, and rooms", History: 1}
		if s.cfg.MemoryStorage {
			cfg.Storage = jetstream.MemoryStorage
		}
		kv, err = s.js.CreateOrUpdateKeyValue(ctx, cfg)
	}
	if err != nil {
		return nil, err
	}
	s.limits.kv = kv
	return kv, nil
}

// change replaces the value of a key by what next makes of it, however many
// others do the same; nil leaves it as it is. Next is called for every try.
func (s *Store) change(ctx context.Context, key string, next func(was []byte) ([]byte, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := limitPause; ; pause = min(2*pause, 50*limitPause) {
		done, err := s.tryChange(ctx, key, next)
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("others changed it all the time: %w", ctx.Err())
		case <-time.After(rand.N(pause)):
		}
	}
}

// tryChange is one try; false when somebody else was faster.
func (s *Store) tryChange(ctx context.Context, key string, next func(was []byte) ([]byte, error)) (done bool, err error) {
	kv, err := s.values(ctx)
	if err != nil {
		return false, err
	}
	var was []byte
	var revision uint64
	e, err := kv.Get(ctx, key)
	switch {
	case err == nil:
		was, revision = e.Value(), e.Revision()
	case errors.Is(err, jetstream.ErrKeyNotFound):
	default:
		s.reopen(err)
		return false, err
	}
	value, err := next(was)
	if err != nil || value == nil {
		return true, err
	}
	if revision == 0 {
		_, err = kv.Create(ctx, key, value)
	} else {
		_, err = kv.Update(ctx, key, value, revision)
	}
	if err == nil {
		return true, nil
	}
	if changed(err) {
		return false, nil
	}
	s.reopen(err)
	return false, err
}

// changed tells whether a write failed because another one's was first.
func changed(err error) bool {
	if errors.Is(err, jetstream.ErrKeyExists) {
		return true
	}
	var refusal *jetstream.APIError
	return errors.As(err, &refusal) && (refusal.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		refusal.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// reopen forgets the bucket when it is gone: it is made again.
func (s *Store) reopen(err error) {
	if !errors.Is(err, jetstream.ErrNoStreamResponse) && !errors.Is(err, jetstream.ErrStreamNotFound) && !errors.Is(err, jetstream.ErrBucketNotFound) {
		return
	}
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	s.limits.kv = nil
}

// limitKey is the key of a bucket or a room. Whatever is in the name becomes one
// token.
func limitKey(kind, name string) string {
	var b strings.Builder
	b.WriteString(kind + ".")
	for i := range len(name) {
		if plain(name[i]) {
			b.WriteByte(name[i])
		} else {
			fmt.Fprintf(&b, "=%02X", name[i])
		}
	}
	return b.String()
}

// Take takes tokens from a bucket: the time, in nanoseconds of the server's
// clock, at which it will be full again.
func (s *Store) Take(ctx context.Context, bucket string, rate float64, burst, n int) (got int, wait time.Duration, err error) {
	if err := result.CheckBucket(bucket, rate, burst); err != nil {
		return 0, 0, err
	}
	b := result.NewBucket(rate, burst)
	err = s.change(ctx, limitKey("bucket", bucket), func(was []byte) ([]byte, error) {
		now := s.now()
		full := now
		if len(was) > 0 {
			at, err := strconv.ParseInt(string(was), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("it is damaged: %w", err)
			}
			full = time.Unix(0, at)
		}
		var next time.Time
		if got, wait, next = b.Take(full, now, n); next.Equal(full) || got == 0 && n >= 0 && next.Equal(now) {
			return nil, nil // it is as it was
		}
		return strconv.AppendInt(nil, next.UnixNano(), 10), nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("take %d from bucket %s: %w", n, bucket, wrap(ctx, err))
	}
	return got, wait, nil
}

// Enter lets guests into a room: the guests by when their leases end, in
// milliseconds of the server's clock.
func (s *Store) Enter(ctx context.Context, room string, limit int, lease time.Duration, guests ...string) (in []bool, err error) {
	if err := result.CheckRoom(room, limit, lease); err != nil {
		return nil, err
	}
	err = s.inRoom(ctx, room, func(there map[string]int64, now time.Time) bool {
		in = make([]bool, len(guests))
		some := false
		for i, c := range guests {
			if _, known := there[c]; known || limit == 0 || len(there) < limit {
				there[c] = now.Add(lease).UnixMilli()
				in[i], some = true, true
			}
		}
		return some
	})
	if err != nil {
		return nil, fmt.Errorf("enter room %s with %d guests: %w", room, len(guests), wrap(ctx, err))
	}
	return in, nil
}

// Leave gives the places of guests back, and rings.
func (s *Store) Leave(ctx context.Context, room string, guests ...string) error {
	if room == "" {
		return errors.New("leave a room: it has no name")
	}
	err := s.inRoom(ctx, room, func(there map[string]int64, _ time.Time) bool {
		before := len(there)
		for _, c := range guests {
			delete(there, c)
		}
		return len(there) != before
	})
	if err != nil {
		return fmt.Errorf("leave room %s with %d guests: %w", room, len(guests), wrap(ctx, err))
	}
	_ = s.conn.Publish(s.exits, []byte(room)) // a hint
	return nil
}

// Await waits until somebody leaves the room.
func (s *Store) Await(ctx context.Context, room string) error { return s.rooms.Await(ctx, room) }

// inRoom changes who is in a room, of whom those whose leases have ended are
// gone; change tells whether there is anything to write.
func (s *Store) inRoom(ctx context.Context, room string, change func(there map[string]int64, now time.Time) bool) error {
	return s.change(ctx, limitKey("room", room), func(was []byte) ([]byte, error) {
		there := map[string]int64{}
		if len(was) > 0 {
			if err := json.Unmarshal(was, &there); err != nil {
				return nil, fmt.Errorf("it is damaged: %w", err)
			}
		}
		now := s.now()
		for c, ends := range there {
			if ends <= now.UnixMilli() {
				delete(there, c)
			}
		}
		if !change(there, now) {
			return nil, nil
		}
		return json.Marshal(there)
	})
}
