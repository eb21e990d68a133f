package socket

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
)

// TestBlobsFitAnyBroker: the parts of the largest value fit into what a NATS
// server takes as it comes, which is less than any other broker, and are the
// value again.
func TestBlobsFitAnyBroker(t *testing.T) {
	t.Parallel()
	const least = 1 << 20
	blob := model.NewBlob(json.RawMessage(`"` + string(bytes.Repeat([]byte("é"), model.MaxPayload/2-1)) + `"`))
	var whole []byte
	msgs := EncodeBlobs([]model.Blob{blob})
	for i, m := range msgs {
		if len(m.Body) > least*3/4 || m.Key != Records || m.ID == "" {
			t.Errorf("message %d to %s has %d bytes", i, m.Key, len(m.Body))
		}
		p, ok, err := DecodeBlob(m)
		if !ok || err != nil || p.Part != i || p.Parts != len(msgs) || p.Hash != blob.Hash {
			t.Errorf("part %d came back as %d of %d of %s: %v", i, p.Part, p.Parts, p.Hash, err)
		}
		whole = append(whole, p.Data...)
	}
	if !bytes.Equal(whole, blob.Value) {
		t.Errorf("the parts have %d bytes together, the value has %d", len(whole), len(blob.Value))
	}
	if _, ok, err := DecodeBlob(broker.Message{Body: []byte(`{"calls":[]}`)}); ok || err != nil {
		t.Errorf("a message of records was taken for a part: %v", err)
	}
	for _, part := range []string{"", "1", "1/1", "-1/2", "x/2", "0/0"} {
		if _, ok, err := DecodeBlob(broker.Message{Headers: map[string]string{HeaderBlob: blob.Hash, HeaderPart: part}}); !ok || err == nil {
			t.Errorf("part %q was taken for one", part)
		}
	}
}
