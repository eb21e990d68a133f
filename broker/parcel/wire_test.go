package parcel

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/squeeze"
)

// TestPackUnpack: every message is in exactly one of the packed ones, the one
// that it is said to be in, with all that it had, and in its order.
func TestPackUnpack(t *testing.T) {
	t.Parallel()
	var msgs []broker.Message
	for i := range 700 {
		m := broker.Message{ID: fmt.Sprint(i), Key: fmt.Sprint("q", i%3), ContentType: "text/plain", Body: bytes.Repeat([]byte{','}, i*i%5000), Together: i%5 != 0}
		if i%7 == 0 {
			m.Headers = map[string]string{"k": "v"}
		}
		msgs = append(msgs, m)
	}
	packed, in := pack(msgs)
	if len(packed) >= len(msgs)/2 {
		t.Errorf("%d messages became %d", len(msgs), len(packed))
	}
	next := make([]int, len(packed))
	for i, m := range msgs {
		parts, err := unpack(packed[in[i]])
		if err != nil {
			t.Fatal(err)
		}
		got := parts[next[in[i]]]
		next[in[i]]++
		if got.ID != m.ID || got.Key != m.Key || got.ContentType != m.ContentType || !bytes.Equal(got.Body, m.Body) || len(got.Headers) != len(m.Headers) {
			t.Fatalf("message %d became %s to %s, %s, %d bytes", i, got.ID, got.Key, got.ContentType, len(got.Body))
		}
	}
	for i, n := range next {
		if parts, _ := unpack(packed[i]); len(parts) != n {
			t.Errorf("packed message %d has %d messages, %d are known", i, len(parts), n)
		}
	}
}

// FuzzUnpack: what says that it is a parcel may be anything.
func FuzzUnpack(f *testing.F) {
	for _, body := range []string{"", "1:a,1:b,", "1:a,", "1:a,3:b,", "99999999999999999999:a,", "-1:a,1:b,", "0:,0:,", "1:a,1:b"} {
		f.Add([]byte(body))
	}
	f.Add(squeeze.Pack(bytes.Repeat([]byte("1:a,1:b,"), 200)))
	f.Fuzz(func(t *testing.T, body []byte) {
		parts, err := unpack(broker.Message{ID: "x", ContentType: ContentType + "t", Body: body})
		if (err == nil) != (len(parts) > 0) {
			t.Fatalf("%d parts and error %v", len(parts), err)
		}
		var again []byte
		for _, p := range parts {
			again = netstring(netstring(again, p.ID), p.Body)
		}
		if err == nil && len(again) > len(body) && body[0] != squeeze.Mark {
			t.Fatalf("%q became %q", body, again)
		}
	})
}
