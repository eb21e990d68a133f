package quickjson_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/elasticcode/flow/model/quickjson"
)

// TestValid: what is taken for a value is what encoding/json takes for one, also
// with any character of it missing.
func TestValid(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 600) + strings.Repeat("]", 600)
	for _, text := range []string{`{"a":[1,-0.5e+3,true,false,null,"\u00e9\n"],"b":{}}`, ` [ ] `, `01`, `1.`, `"a`, "\"\x01\"", `{"a":}`, ``, deep, "\"\xff\""} {
		step := 1 + len(text)/100
		for i := 0; i < len(text); i += step {
			for _, s := range []string{text, text[:i], text[:i] + text[i+1:]} {
				if have, want := quickjson.Valid([]byte(s)), json.Valid([]byte(s)); have != want {
					t.Errorf("%q is valid: %t, want %t", s, have, want)
				}
			}
		}
	}
}

// TestObject: what is written reads back as the same.
func TestObject(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 5000, time.FixedZone("", 3600))
	o := quickjson.Begin([]byte("before "))
	o.Text("text", "a \"b\"\n\u2028é")
	o.Present("absent", "")
	o.Count("zero", 0)
	o.Number("number", -7)
	o.Texts("texts", []string{"a", "b"})
	o.Texts("none", nil)
	o.Value("value", json.RawMessage(`{"x":1}`))
	o.Values("values", []json.RawMessage{nil, json.RawMessage(`2`)})
	o.Named("named", map[string]json.RawMessage{"b": nil, "a\"": json.RawMessage(`"<"`)})
	o.Named("nothing", nil)
	o.Time("time", &at)
	o.Time("never", nil)
	o.List("list", 2, func(o *quickjson.Object, i int) { o.Count("i", i) })
	o.List("empty", 0, nil)
	o.Rare("rare", map[string]int{"a": 1}, true)
	data, err := o.End()
	if err != nil {
		t.Fatal(err)
	}
	want := `before {"text":"a \"b\"\n\u2028é","number":-7,"texts":["a","b"],"none":null,"value":{"x":1},"values":[null,2],"named":{"a\"":"<","b":null},` +
		`"time":"2026-03-01T12:00:00.000005+01:00","never":null,"list":[{},{"i":1}],"rare":{"a":1}}`
	if string(data) != want {
		t.Errorf("have %s\nwant %s", data, want)
	}
	o = quickjson.Begin(nil)
	o.List("list", 1, func(o *quickjson.Object, _ int) { o.Value("half", json.RawMessage(`{`)) })
	if _, err := o.End(); err == nil {
		t.Error("half a value was taken for one")
	}
}

// TestText: strings of any bytes end where they end for encoding/json.
func TestText(t *testing.T) {
	t.Parallel()
	odd := rapid.SampledFrom([]byte{0, 1, 0x1f, ' ', '!', '"', '#', '[', '\\', ']', 'n', 0x7f, 0x80, 0x9f, 0xa2, 0xdc, 0xff})
	text := rapid.SliceOfN(rapid.OneOf(rapid.Just(byte('x')), rapid.Just(byte('x')), odd, rapid.Byte()), 0, 40)
	rapid.Check(t, func(t *rapid.T) {
		s := fmt.Appendf(nil, `["%s", "%s"]`, text.Draw(t, "one"), text.Draw(t, "two"))
		if have, want := quickjson.Valid(s), json.Valid(s); have != want {
			t.Fatalf("%q is valid: %t, want %t", s, have, want)
		}
		first := s[1 : bytes.IndexByte(s[2:], '"')+3]
		plain := quickjson.NewParser(first)
		got := plain.Plain()
		var want string
		fits := json.Unmarshal(first, &want) == nil && utf8.Valid(first) && !bytes.Contains(first, []byte(`\`))
		if plain.End() != fits || fits && string(got) != want {
			t.Fatalf("%q is read as %q, whole: %t", first, got, plain.End())
		}
	})
}

// TestAnyValue is TestValid for values of any form, and for what is almost one.
func TestAnyValue(t *testing.T) {
	t.Parallel()
	part := rapid.SampledFrom(strings.Split(`{ } [ ] , : " "a" "b":1 \ \u00e9 \u00 -0.5e+3 12 01 1. 1e -  true false null nul [] {} [1,2] {"a":[null]}`, " "))
	rapid.Check(t, func(t *rapid.T) {
		s := []byte(strings.Join(rapid.SliceOfN(part, 1, 8).Draw(t, "parts"), rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(t, "between")))
		if have, want := quickjson.Valid(s), json.Valid(s); have != want {
			t.Fatalf("%q is valid: %t, want %t", s, have, want)
		}
		one := slices.Concat([]byte("["), s, []byte("]"))
		p := quickjson.NewParser(one)
		got := p.Values()
		var want []json.RawMessage
		if err := json.Unmarshal(one, &want); err == nil != p.End() || err == nil && !slices.EqualFunc(got, want, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Fatalf("%q has the values %q, whole: %t; want %q, %v", one, got, p.End(), want, err)
		}
	})
}

func BenchmarkValid(b *testing.B) {
	for _, n := range []int{10, 100, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			validate(b, []byte(`["`+strings.Repeat("z", n)+`"]`))
		})
	}
	b.Run("records", func(b *testing.B) {
		r := rand.New(rand.NewPCG(1, 2)) // all alike, they would be foreseen
		var s strings.Builder
		for i := range 200 {
			fmt.Fprintf(&s, `, {"id": %d, "name": "%s", "amount": %.2f, "tags": ["city", "%s"], "ok": %t}`,
				i, strings.Repeat("order ", r.IntN(6)), 1000*r.Float64(), strings.Repeat("x", r.IntN(9)), r.IntN(2) == 0)
		}
		validate(b, []byte("[null"+s.String()+"]"))
	})
}

func validate(b *testing.B, s []byte) {
	b.Helper()
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		if !quickjson.Valid(s) {
			b.Fatal("not valid")
		}
	}
}
