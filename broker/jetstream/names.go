package jetstream

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// What is called how on the server, E(x) being encode:
//
//	flow-q-E(prefix+queue)          stream of a queue; its subject is flow.q.E(prefix+queue)
//	flow-delay-E(prefix)            stream of delayed messages, subjects flow.d.pE(prefix).E(queue)
//	KV_flow-E(prefix)               the table: x.B64(exchange), q.B64(queue), s.B64(queue), lease
//	flow.who.pE(prefix)             brokers tell each other what they consume (no stream)
//	work                            the durable consumer of a queue's stream

const (
	durable = "work"

	// maxEncoded keeps the name of a stream, which becomes a folder, below 255 bytes.
	maxEncoded = 200
)

// encode writes any name with the letters that streams, subjects and folders
// may have: a-z 0-9 - _ stay, a dot becomes +, everything else =XX. Upper case
// is written as =XX too: the file system may not tell Foo from foo. What gets
// too long ends in a hash instead, and is found by the stream's metadata.
func encode(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		case c == '.':
			b.WriteByte('+')
		default:
			fmt.Fprintf(&b, "=%02x", c)
		}
	}
	if b.Len() <= maxEncoded {
		return b.String()
	}
	sum := sha256.Sum256([]byte(name))
	return b.String()[:maxEncoded-40] + "~" + hex.EncodeToString(sum[:16])
}

// decode is the inverse of encode; false for what encode did not write or had
// to shorten.
func decode(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b.WriteByte('.')
		case c == '=':
			if i+2 >= len(s) {
				return "", false
			}
			raw, err := hex.DecodeString(s[i+1 : i+3])
			if err != nil {
				return "", false
			}
			b.Write(raw)
			i += 2
		case c == '~':
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), encode(b.String()) == s
}

// names spells everything that one prefix owns on the server.
type names struct{ prefix string }

func (n names) stream(queue string) string  { return "flow-q-" + encode(n.prefix+queue) }
func (n names) subject(queue string) string { return "flow.q." + encode(n.prefix+queue) }

func (n names) delayStream() string { return "flow-delay-" + encode(n.prefix) }
func (n names) delaySubject(queue string) string {
	return "flow.d.p" + encode(n.prefix) + "." + encode(queue)
}
func (n names) delaySubjects() string { return "flow.d.p" + encode(n.prefix) + ".*" }

func (n names) presence() string { return "flow.who.p" + encode(n.prefix) }

// bucket may have fewer letters than a stream.
func (n names) bucket() string {
	enc := encode(n.prefix)
	if strings.ContainsAny(enc, "=+~") {
		sum := sha256.Sum256([]byte(n.prefix))
		enc = "h" + hex.EncodeToString(sum[:16])
	}
	return "flow-" + enc
}

// The keys of the table.
const leaseKey = "lease"

func exchangeKey(name string) string {
	return "x." + base64.RawURLEncoding.EncodeToString([]byte(name))
}
func queueKey(name string) string   { return "q." + base64.RawURLEncoding.EncodeToString([]byte(name)) }
func suspectKey(name string) string { return "s." + base64.RawURLEncoding.EncodeToString([]byte(name)) }

// parseKey splits a key of the table into what it is about and whom.
func parseKey(key string) (about byte, name string) {
	if len(key) < 2 || key[1] != '.' {
		return 0, ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(key[2:])
	if err != nil {
		return 0, ""
	}
	return key[0], string(raw)
}
