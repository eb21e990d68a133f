package jetstream

import (
	"maps"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"pgregory.net/rapid"
)

func TestMessagesKeepEverything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := broker.Message{
			ID:          rapid.StringN(1, 10, -1).Draw(t, "id"),
			Exchange:    rapid.String().Draw(t, "exchange"),
			Key:         rapid.String().Draw(t, "key"),
			ContentType: rapid.String().Draw(t, "type"),
			Headers:     rapid.MapOfN(rapid.StringN(1, 10, -1), rapid.String(), 1, 4).Draw(t, "headers"),
			Body:        []byte("body"),
		}
		for _, k := range []string{headerID, "Nats-Msg-Id", "traceparent"} {
			if rapid.Bool().Draw(t, k) {
				m.Headers[k] = "mine"
			}
		}
		out := encodeMessage(m, "subject", "dedup")
		for k, v := range out.Header {
			if !safeKey(k) && k != "" && first(out.Header, headerEscaped) == "" || !safeValue(v[0]) {
				t.Fatalf("header %q: %q cannot be carried", k, v)
			}
		}
		got := decodeMessage(out.Header, out.Data)
		if got.ID != m.ID || got.Exchange != m.Exchange || got.Key != m.Key || got.ContentType != m.ContentType || !maps.Equal(got.Headers, m.Headers) {
			t.Fatalf("%+v became %+v", m, got)
		}
	})
}

func TestDelayTravels(t *testing.T) {
	t.Parallel()
	out := encodeMessage(broker.Message{ID: "1"}, "s", "d")
	if _, _, ok := delayOf(out.Header); ok {
		t.Error("a message without a delay has one")
	}
	setDelay(out, "a queue\n", time.Minute)
	if q, d, ok := delayOf(out.Header); q != "a queue\n" || d != time.Minute || !ok {
		t.Errorf("got %q %s %t", q, d, ok)
	}
}
