package jetstream

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/nats-io/nats.go"
)

// The headers of a message on the wire. Those of broker.Message.Headers stand
// beside them under their own names. A NATS client that knows none of this may
// publish, too: Flow-Id falls back to Nats-Msg-Id, the others to nothing.
const (
	headerID          = "Flow-Id"
	headerExchange    = "Flow-Exchange"
	headerKey         = "Flow-Key"
	headerContentType = "Content-Type"
	headerDelay       = "Flow-Delay" // nanoseconds, counted from the time of storing
	headerQueue       = "Flow-Queue" // where a delayed message goes
	// headerEscaped says that names and values of the other headers are written
	// with percent signs, because one of them has what NATS cannot carry.
	headerEscaped = "Flow-Escaped"
)

func reserved(key string) bool {
	switch key {
	case headerID, headerExchange, headerKey, headerContentType, headerDelay, headerQueue, headerEscaped:
		return true
	}
	return strings.HasPrefix(key, "Nats-")
}

// encodeMessage writes a message for a subject. The dedup id is not the
// message's own: see the package comment.
func encodeMessage(m broker.Message, subject, dedup string) *nats.Msg {
	h := make(nats.Header, 4+len(m.Headers))
	h[headerID] = []string{m.ID}
	h[nats.MsgIdHdr] = []string{dedup}
	if m.Exchange != "" {
		h[headerExchange] = []string{m.Exchange}
	}
	if m.ContentType != "" {
		h[headerContentType] = []string{m.ContentType}
	}
	h[headerKey] = []string{m.Key}
	escape := !safeValue(m.ID) || !safeValue(m.Exchange) || !safeValue(m.Key) || !safeValue(m.ContentType)
	for k, v := range m.Headers {
		escape = escape || !safeKey(k) || reserved(k) || !safeValue(v)
	}
	if escape {
		for k := range h {
			h[k][0] = escaped(h[k][0], false)
		}
		h[nats.MsgIdHdr][0] = dedup
		h[headerEscaped] = []string{"1"}
	}
	for k, v := range m.Headers {
		if escape {
			k, v = escaped(k, true), escaped(v, false)
		}
		h[k] = []string{v}
	}
	return &nats.Msg{Subject: subject, Header: h, Data: m.Body}
}

// decodeMessage reads what encodeMessage wrote.
func decodeMessage(h nats.Header, body []byte) broker.Message {
	plain := func(s string) string { return s }
	if first(h, headerEscaped) != "" {
		plain = unescaped
	}
	m := broker.Message{
		ID:          plain(first(h, headerID)),
		Exchange:    plain(first(h, headerExchange)),
		Key:         plain(first(h, headerKey)),
		ContentType: plain(first(h, headerContentType)),
		Body:        body,
	}
	if m.ID == "" {
		m.ID = first(h, nats.MsgIdHdr)
	}
	for k, v := range h {
		if reserved(k) || len(v) == 0 {
			continue
		}
		if m.Headers == nil {
			m.Headers = make(map[string]string, len(h))
		}
		m.Headers[plain(k)] = plain(v[0])
	}
	return m
}

func setDelay(out *nats.Msg, queue string, delay time.Duration) {
	out.Header[headerDelay] = []string{strconv.FormatInt(int64(delay), 10)}
	out.Header[headerQueue] = []string{escaped(queue, false)}
}

func delayOf(h nats.Header) (queue string, delay time.Duration, ok bool) {
	n, err := strconv.ParseInt(first(h, headerDelay), 10, 64)
	return unescaped(first(h, headerQueue)), time.Duration(n), err == nil && n >= 0
}

// size is what the server counts of a message, generously.
func size(m *nats.Msg) int64 {
	n := len(m.Data) + 32
	for k, v := range m.Header {
		n += len(k) + len(v[0]) + 4
	}
	return int64(n)
}

func first(h nats.Header, key string) string {
	if v := h[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// safeKey tells whether NATS carries a header name as it is.
func safeKey(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == ':' || c == '%' {
			return false
		}
	}
	return s != ""
}

// safeValue tells whether NATS carries a header value as it is.
func safeValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == 0x7f {
			return false
		}
	}
	return s == strings.TrimSpace(s)
}

func escaped(s string, key bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		edge := c == ' ' && (i == 0 || i == len(s)-1)
		if c < ' ' || c >= 0x7f || c == '%' || edge || key && (c == ' ' || c == ':' || i == 0) {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// unescaped leaves alone what is not written as escaped does it.
func unescaped(s string) string {
	if out, err := url.PathUnescape(s); err == nil {
		return out
	}
	return s
}
