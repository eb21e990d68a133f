package model

import (
	"encoding/json"
	"time"
	"unicode/utf8"
)

// parser reads JSON that this package wrote, several times as fast as
// encoding/json, which every call would else pass three times. What it does not
// expect (an escape in a name, an unknown member, a mistake) it gives up on, and
// the caller leaves the whole text to encoding/json: so both agree on what they
// take, and only one has to explain what is wrong.
type parser struct {
	b      []byte
	i      int
	failed bool
	times  []time.Time // room for those to come: they live together
}

// fail gives up. Everything that is read afterwards is zero.
func (p *parser) fail() {
	p.failed = true
	p.i = len(p.b)
}

// peek returns the next character that is not white space; 0 at the end.
func (p *parser) peek() byte {
	for p.i < len(p.b) {
		switch c := p.b[p.i]; c {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return c
		}
	}
	return 0
}

// take consumes c if it is next.
func (p *parser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.i++
	return true
}

// need consumes c, which has to be next.
func (p *parser) need(c byte) {
	if !p.take(c) {
		p.fail()
	}
}

// end tells whether nothing is left, and all was understood.
func (p *parser) end() bool { return p.peek() == 0 && p.i == len(p.b) && !p.failed }

// more is the condition of the loop over an object or an array that ends with
// stop: first says whether it is the first round.
func (p *parser) more(first *bool, stop byte) bool {
	if p.take(stop) || p.failed {
		return false
	}
	if !*first {
		p.need(',')
	}
	*first = false
	return !p.failed
}

// key reads the name of a member and its colon.
func (p *parser) key() []byte {
	k := p.plain()
	p.need(':')
	return k
}

// plain reads a string without escapes.
func (p *parser) plain() []byte {
	p.need('"')
	ascii := true
	for start := p.i; p.i < len(p.b); p.i++ {
		switch c := p.b[p.i]; {
		case c == '"':
			text := p.b[start:p.i]
			p.i++
			if !ascii && !utf8.Valid(text) {
				p.fail()
			}
			return text
		case c >= utf8.RuneSelf:
			ascii = false
		case c < ' ' || c == '\\':
			p.fail()
			return nil
		}
	}
	p.fail()
	return nil
}

// text reads a string. It is the same string as known, when it equals that:
// most of what calls say of themselves, the call before has said, too.
func (p *parser) text(known string) string {
	if b := p.plain(); string(b) != known {
		return string(b)
	}
	return known
}

// null consumes null if it is next.
func (p *parser) null() bool {
	if p.peek() != 'n' {
		return false
	}
	p.literal("null")
	return true
}

func (p *parser) literal(word string) {
	if len(p.b)-p.i < len(word) || string(p.b[p.i:p.i+len(word)]) != word {
		p.fail()
		return
	}
	p.i += len(word)
}

// number reads an integer of up to 18 digits.
func (p *parser) number() int {
	if p.null() {
		return 0
	}
	negative, n, start := p.take('-'), 0, p.i
	for p.i < len(p.b) && p.b[p.i] >= '0' && p.b[p.i] <= '9' {
		n = 10*n + int(p.b[p.i]-'0')
		p.i++
	}
	if digits := p.i - start; digits == 0 || digits > 18 || digits > 1 && p.b[start] == '0' {
		p.fail()
	}
	if negative {
		return -n
	}
	return n
}

// time reads a time; nil for null.
func (p *parser) time() *time.Time {
	if p.null() {
		return nil
	}
	if len(p.times) == 0 {
		p.times = make([]time.Time, min(1+(len(p.b)-p.i)/256, 64))
	}
	t := &p.times[0]
	p.times = p.times[1:]
	*t = p.moment()
	return t
}

// moment reads a time that is the zero time when it is null.
func (p *parser) moment() (t time.Time) {
	if p.null() {
		return t
	}
	start := p.i
	p.plain()
	if p.failed || t.UnmarshalJSON(p.b[start:p.i]) != nil {
		p.fail()
	}
	return t
}

func (p *parser) texts() []string {
	if p.null() {
		return nil
	}
	p.need('[')
	out := []string{}
	for first := true; p.more(&first, ']'); {
		out = append(out, p.text(""))
	}
	return out
}

func (p *parser) values() []json.RawMessage {
	if p.null() {
		return nil
	}
	p.need('[')
	out := []json.RawMessage{}
	for first := true; p.more(&first, ']'); {
		out = append(out, p.raw())
	}
	return out
}

func (p *parser) named() map[string]json.RawMessage {
	if p.null() {
		return nil
	}
	p.need('{')
	out := map[string]json.RawMessage{}
	for first := true; p.more(&first, '}'); {
		k := string(p.key())
		out[k] = p.raw()
	}
	return out
}

// rare leaves a member that most calls do not have to encoding/json.
func (p *parser) rare(into any) {
	if raw := p.raw(); !p.failed && json.Unmarshal(raw, into) != nil {
		p.fail()
	}
}

// raw reads any value as it is. It shares the memory of the text.
func (p *parser) raw() json.RawMessage {
	p.peek()
	start := p.i
	p.skip(0)
	if p.failed {
		return nil
	}
	return p.b[start:p.i:p.i]
}

// maxDepth is how deep values may be nested; beyond, encoding/json decides.
const maxDepth = 500

// skip passes over one value and makes sure that it is one.
func (p *parser) skip(depth int) {
	switch c := p.peek(); {
	case depth > maxDepth:
		p.fail()
	case c == '"':
		p.i++
		p.skipText()
	case c == '{':
		p.i++
		for first := true; p.more(&first, '}'); {
			p.need('"')
			p.skipText()
			p.need(':')
			p.skip(depth + 1)
		}
	case c == '[':
		p.i++
		for first := true; p.more(&first, ']'); {
			p.skip(depth + 1)
		}
	case c == 't':
		p.literal("true")
	case c == 'f':
		p.literal("false")
	case c == 'n':
		p.literal("null")
	default:
		p.skipNumber()
	}
}

// skipText passes over the rest of a string, escapes included.
func (p *parser) skipText() {
	for ; p.i < len(p.b); p.i++ {
		switch c := p.b[p.i]; {
		case c == '"':
			p.i++
			return
		case c == '\\':
			if !p.skipEscape() {
				p.fail()
				return
			}
		case c < ' ':
			p.fail()
			return
		}
	}
	p.fail()
}

// skipEscape passes over an escape, to its last character.
func (p *parser) skipEscape() bool {
	p.i++
	if p.i >= len(p.b) {
		return false
	}
	switch p.b[p.i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			p.i++
			if p.i >= len(p.b) || !isHex(p.b[p.i]) {
				return false
			}
		}
		return true
	}
	return false
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func (p *parser) skipNumber() {
	if p.i < len(p.b) && p.b[p.i] == '-' {
		p.i++
	}
	switch {
	case p.i < len(p.b) && p.b[p.i] == '0':
		p.i++
	case !p.skipDigits():
		p.fail()
		return
	}
	if p.i < len(p.b) && p.b[p.i] == '.' {
		p.i++
		if !p.skipDigits() {
			p.fail()
			return
		}
	}
	if p.i < len(p.b) && (p.b[p.i] == 'e' || p.b[p.i] == 'E') {
		p.i++
		if p.i < len(p.b) && (p.b[p.i] == '+' || p.b[p.i] == '-') {
			p.i++
		}
		if !p.skipDigits() {
			p.fail()
		}
	}
}

// skipDigits tells whether there was at least one.
func (p *parser) skipDigits() bool {
	start := p.i
	for p.i < len(p.b) && p.b[p.i] >= '0' && p.b[p.i] <= '9' {
		p.i++
	}
	return p.i > start
}
