package quickjson_test

import (
	"bytes"
	"encoding/json"
	"fmt"
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
	o.Time("time", &at)
	o.Time("never", nil)
	o.List("list", 2, func(o *quickjson.Object, i int) { o.Count("i", i) })
	o.List("empty", 0, nil)
	o.Rare("rare", map[string]int{"a": 1}, true)
	data, err := o.End()
	if err != nil {
		t.Fatal(err)
	}
	want := `before {"text":"a \"b\"\n\u2028é","number":-7,"texts":["a","b"],"none":null,"value":{"x":1},"values":[null,2],` +
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

func BenchmarkValid(b *testing.B) {
	for _, n := range []int{10, 100, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := []byte(`["` + strings.Repeat("z", n) + `"]`)
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				if !quickjson.Valid(s) {
					b.Fatal("not valid")
				}
			}
		})
	}
}
