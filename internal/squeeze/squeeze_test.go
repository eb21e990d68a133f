package squeeze_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/elasticcode/flow/internal/squeeze"
)

func alike(n int) (out []byte) {
	for i := range n {
		out = fmt.Appendf(out, `{"id":"019e1f3a-%04d","socket":"pyfi.processors.sample.do_this","state":"succeeded"},`, i*7919%10000)
	}
	return out
}

func TestPack(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 100_000)
	_, _ = rand.Read(noise)
	noise[0] = '{'
	for name, c := range map[string]struct {
		data   []byte
		atMost float64
	}{
		"nothing": {nil, 1}, "a little": {alike(3), 1}, "alike": {alike(100), 0.3}, "much": {alike(100_000), 0.3}, "noise": {noise, 1},
	} {
		packed := squeeze.Pack(c.data)
		if float64(len(packed)) > c.atMost*float64(len(c.data)) {
			t.Errorf("%s: %d bytes became %d", name, len(c.data), len(packed))
		}
		if squeezed := c.atMost < 1; squeezed != (len(packed) > 0 && packed[0] == squeeze.Mark) {
			t.Errorf("%s begins with %x", name, packed[:1])
		}
		if again, err := squeeze.Open(packed); err != nil || !bytes.Equal(again, c.data) {
			t.Errorf("%s: opened to %d bytes, %v", name, len(again), err)
		}
	}
}

// TestDamaged: what claims to be squeezed is an error, and not a panic or a gigabyte.
func TestDamaged(t *testing.T) {
	t.Parallel()
	packed := squeeze.Pack(alike(100))
	for name, data := range map[string][]byte{
		"mark only": {squeeze.Mark}, "cut": packed[:len(packed)/2], "more": append(bytes.Clone(packed), 1, 2, 3),
		"huge": append(binary.AppendUvarint([]byte{squeeze.Mark}, 1<<31), packed[2:]...),
	} {
		if _, err := squeeze.Open(data); !errors.Is(err, squeeze.ErrDamaged) {
			t.Errorf("%s gave %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(squeeze.Pack(alike(100)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if out, err := squeeze.Open(data); err == nil && len(data) > 0 && data[0] != squeeze.Mark && !bytes.Equal(out, data) {
			t.Error("what is not squeezed was changed")
		}
	})
}

func BenchmarkPack(b *testing.B) {
	data := alike(100)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		squeeze.Pack(data)
	}
}
