package quickjson

import (
	"encoding/json"
	"time"
	"unicode/utf8"
)

// Parser reads JSON. What it does not expect (an escape in a name, an unknown
// member, a mistake) it gives up on, and the caller leaves the whole text to
// encoding/json: so both agree on what they take, and only one has to explain what
// is wrong.
type Parser struct {
	b      []byte
	i      int
	failed bool
	times  []time.Time // room for those to come: they live together
}

// NewParser returns a parser of data, which it shares memory with.
func NewParser(data []byte) Parser { return Parser{b: data} }

// Len is how much is left, in bytes.
func (p *Parser) Len() int { return len(p.b) - p.i }

// Fail gives up. Everything that is read afterwards is zero.
func (p *Parser) Fail() {
	p.failed = true
	p.i = len(p.b)
}

// peek returns the next character that is not white space; 0 at the end.
func (p *Parser) peek() byte {
	if p.i = space(p.b, p.i); p.i < len(p.b) {
		return p.b[p.i]
	}
	return 0
}

// take consumes c if it is next.
func (p *Parser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.i++
	return true
}

// Need consumes c, which has to be next.
func (p *Parser) Need(c byte) {
	if !p.take(c) {
		p.Fail()
	}
}

// End tells whether nothing is left, and all was understood.
func (p *Parser) End() bool { return p.peek() == 0 && p.i == len(p.b) && !p.failed }

// More is the condition of the loop over an object or an array that ends with
// stop: first says whether it is the first round.
func (p *Parser) More(first *bool, stop byte) bool {
	if p.take(stop) || p.failed {
		return false
	}
	if !*first {
		p.Need(',')
	}
	*first = false
	return !p.failed
}

// Key reads the name of a member and its colon.
func (p *Parser) Key() []byte {
	k := p.Plain()
	p.Need(':')
	return k
}

// Plain reads a string without escapes.
func (p *Parser) Plain() []byte {
	p.Need('"')
	start := p.i
	p.i = special(p.b, start)
	if p.i == len(p.b) || p.b[p.i] != '"' {
		p.Fail()
		return nil
	}
	text := p.b[start:p.i]
	p.i++
	if !utf8.Valid(text) {
		p.Fail()
	}
	return text
}

// Text reads a string. It is the same string as known, when it equals that:
// most of what calls say of themselves, the call before has said, too.
func (p *Parser) Text(known string) string {
	if b := p.Plain(); string(b) != known {
		return string(b)
	}
	return known
}

// null consumes null if it is next.
func (p *Parser) null() bool {
	if p.peek() != 'n' {
		return false
	}
	p.literal("null")
	return true
}

func (p *Parser) literal(word string) {
	if len(p.b)-p.i < len(word) || string(p.b[p.i:p.i+len(word)]) != word {
		p.Fail()
		return
	}
	p.i += len(word)
}

// Number reads an integer of up to 18 digits.
func (p *Parser) Number() int {
	if p.null() {
		return 0
	}
	negative, n, start := p.take('-'), 0, p.i
	for p.i < len(p.b) && p.b[p.i] >= '0' && p.b[p.i] <= '9' {
		n = 10*n + int(p.b[p.i]-'0')
		p.i++
	}
	if digits := p.i - start; digits == 0 || digits > 18 || digits > 1 && p.b[start] == '0' {
		p.Fail()
	}
	if negative {
		return -n
	}
	return n
}

// Time reads a time; nil for null.
func (p *Parser) Time() *time.Time {
	if p.null() {
		return nil
	}
	if len(p.times) == 0 {
		p.times = make([]time.Time, min(1+(len(p.b)-p.i)/256, 64))
	}
	t := &p.times[0]
	p.times = p.times[1:]
	*t = p.Moment()
	return t
}

// Moment reads a time that is the zero time when it is null.
func (p *Parser) Moment() (t time.Time) {
	if p.null() {
		return t
	}
	start := p.i
	p.Plain()
	if p.failed || t.UnmarshalJSON(p.b[start:p.i]) != nil {
		p.Fail()
	}
	return t
}

// Texts reads a list of strings; nil for null.
func (p *Parser) Texts() []string {
	if p.null() {
		return nil
	}
	p.Need('[')
	out := []string{}
	for first := true; p.More(&first, ']'); {
		out = append(out, p.Text(""))
	}
	return out
}

// Values reads a list of any values; nil for null.
func (p *Parser) Values() []json.RawMessage {
	if p.null() {
		return nil
	}
	p.Need('[')
	out := []json.RawMessage{}
	for first := true; p.More(&first, ']'); {
		out = append(out, p.Raw())
	}
	return out
}

// Named reads an object with any values; nil for null.
func (p *Parser) Named() map[string]json.RawMessage {
	if p.null() {
		return nil
	}
	p.Need('{')
	out := map[string]json.RawMessage{}
	for first := true; p.More(&first, '}'); {
		k := string(p.Key())
		out[k] = p.Raw()
	}
	return out
}

// Rare leaves a member that most calls do not have to encoding/json.
func (p *Parser) Rare(into any) {
	if raw := p.Raw(); !p.failed && json.Unmarshal(raw, into) != nil {
		p.Fail()
	}
}

// Raw reads any value as it is. It shares the memory of the text.
func (p *Parser) Raw() json.RawMessage {
	p.peek()
	start := p.i
	p.Skip()
	if p.failed {
		return nil
	}
	return p.b[start:p.i:p.i]
}

// Skip passes over any value, and makes sure that it is one.
func (p *Parser) Skip() {
	if end := value(p.b, p.i, 0); end < 0 {
		p.Fail()
	} else {
		p.i = end
	}
}
