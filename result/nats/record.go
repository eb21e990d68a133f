package nats

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/elasticcode/flow/result"
)

// A record is the message of a call:
//
//	c TOKEN LEASE HOLDER    a claim; token 0 stands for the message's own number
//	r TTL JSON              a result
//
// with the lease and the ttl in milliseconds from when the server stored it.
type record struct {
	seq    uint64        // its number in the stream; 0: there is none
	left   time.Duration // what remains of its lease or its ttl
	result []byte        // of a result: the JSON
	token  int64         // of a claim
	holder string        // of a claim
}

// subjectOf is the subject of a call. Whatever is in the id becomes one token.
func (s *Store) subjectOf(call string) string {
	safe := call != ""
	for i := range len(call) {
		safe = safe && plain(call[i])
	}
	if safe {
		return s.subject + call
	}
	var b strings.Builder
	b.WriteString(s.subject + "=") // which no plain id has: "" and "=41" meet nobody
	for i := range len(call) {
		if plain(call[i]) {
			b.WriteByte(call[i])
		} else {
			fmt.Fprintf(&b, "=%02X", call[i])
		}
	}
	return b.String()
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// write is the message that puts a record in the place of another.
func (s *Store) write(call string, body []byte, replaces uint64, keep time.Duration) *nats.Msg {
	m := nats.NewMsg(s.subjectOf(call))
	m.Data = body
	m.Header["Nats-Expected-Last-Subject-Sequence"] = []string{strconv.FormatUint(replaces, 10)}
	// The server counts whole seconds, and removes; readers look at the time themselves.
	m.Header["Nats-TTL"] = []string{strconv.FormatInt(int64(keep/time.Second)+2, 10)}
	return m
}

func claimBody(token int64, lease time.Duration, holder string) []byte {
	return fmt.Appendf(nil, "c %d %d %s", token, lease.Milliseconds(), holder)
}

func resultBody(ttl time.Duration, r result.Result) ([]byte, error) {
	body, err := r.Encode()
	if err != nil {
		return nil, fmt.Errorf("put the result of %s: %w", r.Call, err)
	}
	return append(fmt.Appendf(nil, "r %d ", ttl.Milliseconds()), body...), nil
}

// parse reads the answer to the question for a call's record. What has ended by
// now counts as a record without a result and a holder: it can be replaced.
func parse(m *nats.Msg, now time.Time) (record, error) {
	switch status := m.Header.Get("Status"); status {
	case "":
	case "404":
		return record{}, nil
	default:
		return record{}, fmt.Errorf("NATS answered %s %s", status, m.Header.Get("Description"))
	}
	seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return record{}, fmt.Errorf("the message has no number: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	if err != nil {
		return record{}, fmt.Errorf("message %d has no time: %w", seq, err)
	}
	kind, rest, _ := bytes.Cut(m.Data, []byte(" "))
	r := record{seq: seq}
	if string(kind) == "c" {
		var token []byte
		token, rest, _ = bytes.Cut(rest, []byte(" "))
		if r.token, err = strconv.ParseInt(string(token), 10, 64); err != nil {
			return record{}, fmt.Errorf("message %d is damaged: %w", seq, err)
		}
		if r.token == 0 {
			r.token = int64(seq)
		}
	}
	number, rest, ok := bytes.Cut(rest, []byte(" "))
	ms, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil || !ok {
		return record{}, fmt.Errorf("message %d is damaged", seq)
	}
	lasts := time.Duration(ms) * time.Millisecond
	r.left = min(at.Add(lasts).Sub(now), lasts)
	switch {
	case r.left <= 0:
	case string(kind) == "c":
		r.holder = string(rest)
	default:
		r.result = rest
	}
	return r, nil
}
