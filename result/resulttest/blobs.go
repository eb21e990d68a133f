package resulttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

// large is a value of about so many bytes that no other test has.
func large(size int) model.Blob {
	const letters = "abcdefghijklmnopqrstuvwxyz<&>0123456789 "
	v := bytes.Repeat([]byte{'x'}, size)
	for i := range min(size, 4096) {
		v[i] = letters[rand.IntN(len(letters))]
	}
	v[0], v[size-1] = '"', '"'
	return model.NewBlob(v)
}

func blobsOf(t testing.TB, s result.Store) result.Blobs {
	t.Helper()
	b, ok := s.(result.Blobs)
	if !ok {
		t.Fatalf("%T keeps no large values", s)
	}
	return b
}

func fetch(t testing.TB, s result.Store, hashes ...string) map[string]json.RawMessage {
	t.Helper()
	got, err := blobsOf(t, s).Fetch(within(t, limit), hashes...)
	if err != nil {
		t.Fatalf("fetch: %v", err)
	}
	return got
}

// blobs: values of any size come back byte for byte, elsewhere, and twice is once.
func (s suite) blobs(t *testing.T) {
	b := s.open(t)
	if err := blobsOf(t, b.Store).Keep(within(t, limit), keep); err != nil {
		t.Error("keep nothing:", err)
	}
	if got := fetch(t, b.Other); len(got) != 0 {
		t.Error("nothing is", got)
	}
	var all []model.Blob
	var hashes []string
	for _, size := range []int{2, 128<<10 + 1, 512 << 10, 512<<10 + 1, 1 << 20, model.MaxPayload} {
		all = append(all, large(size))
		hashes = append(hashes, all[len(all)-1].Hash)
	}
	for range 2 {
		if err := blobsOf(t, b.Store).Keep(within(t, limit), keep, all...); err != nil {
			t.Fatal(err)
		}
	}
	got := fetch(t, b.Other, append(hashes, model.NewBlob(json.RawMessage("1")).Hash, "not a hash", hashes[0])...)
	if len(got) != len(all) {
		t.Errorf("%d values came back, want %d", len(got), len(all))
	}
	for _, want := range all {
		if !bytes.Equal(got[want.Hash], want.Value) {
			t.Errorf("the value of %d bytes came back with %d", len(want.Value), len(got[want.Hash]))
		}
	}
}

// blobsAreForgotten: they go after their time and with a flush, and then are
// not there, which is no error.
func (s suite) blobsAreForgotten(t *testing.T) {
	b := s.open(t)
	short, long, renewed := large(1<<20), large(600<<10), large(10)
	keeping := func(ttl time.Duration, blobs ...model.Blob) {
		t.Helper()
		if err := blobsOf(t, b.Store).Keep(within(t, limit), ttl, blobs...); err != nil {
			t.Fatal(err)
		}
	}
	keeping(1500*time.Millisecond, short, renewed)
	keeping(keep, long, renewed)
	if got := fetch(t, b.Other, short.Hash); len(got) != 1 {
		t.Fatal("the value is gone at once")
	}
	eventually(t, "the value expires", func() bool { return len(fetch(t, b.Other, short.Hash)) == 0 })
	if got := fetch(t, b.Other, long.Hash, renewed.Hash); len(got) != 2 {
		t.Errorf("%d of two values that were to be kept longer are there", len(got))
	}
	b.Flush()
	if got := fetch(t, b.Other, long.Hash, renewed.Hash); len(got) != 0 {
		t.Errorf("after a flush %d values are there", len(got))
	}
	if err := blobsOf(t, b.Store).Keep(within(t, limit), 0, short); err == nil {
		t.Error("a value was to be kept for no time, and that was taken")
	}
}

func (s suite) blobsUnreachable(t *testing.T) {
	b := s.open(t)
	b.Proxy.Refuse(true)
	b.Proxy.Cut()
	v := large(1000)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := blobsOf(t, b.Store).Keep(ctx, keep, v); !errors.Is(err, result.ErrUnavailable) {
		t.Errorf("keep: %v, which is not ErrUnavailable", err)
	}
	if _, err := blobsOf(t, b.Store).Fetch(ctx, v.Hash); !errors.Is(err, result.ErrUnavailable) {
		t.Errorf("fetch: %v, which is not ErrUnavailable", err)
	}
}
