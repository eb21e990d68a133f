package nats

import (
	"errors"
	"testing"

	gonats "github.com/nats-io/nats.go"
)

func TestAcked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer string
		seq    uint64
		err    error
	}{
		{`{"stream":"FLOW_RESULTS","seq":42}`, 42, nil},
		{`{"stream":"FLOW_RESULTS","domain":"hub","seq":42}`, 42, nil},
		{`{"stream":"FLOW_RESULTS","seq":42,"duplicate":true}`, 42, nil},
		{`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 7"},"stream":"FLOW_RESULTS","seq":0}`, 0, errChanged},
		{`{"stream":"FLOW_RESULTS","seq":0,"error":{"code":400,"err_code":10164,"description":"wrong last sequence"}}`, 0, errChanged},
	} {
		seq, err := acked(&gonats.Msg{Data: []byte(c.answer)})
		if seq != c.seq || !errors.Is(err, c.err) {
			t.Errorf("%s: %d, %v", c.answer, seq, err)
		}
	}
	for _, bad := range []string{``, `{`, `{"error":{"code":500,"err_code":10077,"description":"no space"},"stream":"S","seq":0}`} {
		if seq, err := acked(&gonats.Msg{Data: []byte(bad)}); err == nil || errors.Is(err, errChanged) {
			t.Errorf("%q: %d, %v", bad, seq, err)
		}
	}
}
