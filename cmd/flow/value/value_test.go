package value

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elasticcode/flow/model"
)

func TestLiteral(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"['some data']":                             `["some data"]`,
		`["some data"]`:                             `["some data"]`,
		`{"a": 1.10, "b": [ 1 ]}`:                   `{"a":1.10,"b":[1]}`,
		"{b: 1, a: [x, yes, 0o10]}":                 `{"b":1,"a":["x","yes",8]}`,
		"[null, true, 'null', ~]":                   `[null,true,"null",null]`,
		"[12345678901234567890123, 'x', 1e3, 1.10]": `[12345678901234567890123,"x",1e3,1.10]`,
		"[2024-01-01]":                              `["2024-01-01"]`,
		"{'a': {b: c}}":                             `{"a":{"b":"c"}}`,
		"[a: 1]":                                    `[{"a":1}]`,
		"{1: x}":                                    `{"1":"x"}`,
		" [1] ":                                     `[1]`,
		"[]":                                        `[]`,
		"{}":                                        `{}`,
		"42":                                        `42`,
		"-1.5e3":                                    `-1.5e3`,
		"007":                                       `"007"`,
		"0x10":                                      `"0x10"`,
		"1,000":                                     `"1,000"`,
		"12345678901234567890":                      `12345678901234567890`,
		"true":                                      `true`,
		"truely":                                    `"truely"`,
		"null":                                      `null`,
		"None":                                      `"None"`,
		`"quoted \u00e9"`:                           `"quoted \u00e9"`,
		`"half" quoted`:                             `"\"half\" quoted"`,
		"'it''s'":                                   `"it's"`,
		"'tis so":                                   `"'tis so"`,
		"'":                                         `"'"`,
		"hello: world":                              `"hello: world"`,
		"- item":                                    `"- item"`,
		"":                                          `""`,
		" spaced ":                                  `" spaced "`,
		"<b>&</b>":                                  `"<b>&</b>"`,
		"2 apples":                                  `"2 apples"`,
		"['a', \"b\\n\"]":                           `["a","b\n"]`,
		"[1,\n 2]":                                  `[1,2]`,
		"{a: 1, b: [true, {c: null}], d: 'e', f: \"g\"} ": `{"a":1,"b":[true,{"c":null}],"d":"e","f":"g"}`,
	} {
		got, err := Literal(text)
		if err != nil || string(got) != want {
			t.Errorf("Literal(%q) = %s, %v; want %s", text, got, err, want)
		}
		if !json.Valid(got) {
			t.Errorf("Literal(%q) = %s is not JSON", text, got)
		}
	}
}

func TestLiteralThatIsNoValue(t *testing.T) {
	t.Parallel()
	for text, at := range map[string]string{
		"[":                "line 1, column 1",
		"{a: 1":            "line 1, column 1",
		"[1] foo":          "line 1, column 5",
		"[1]]":             "line 1, column 4",
		"[1]\n---\n[2]":    "line 1, column 1",
		"{a: 1, a: 2}":     "line 1, column 8",
		"{a, b: 1}":        "line 1, column 2",
		"[.nan]":           "line 1, column 2",
		"[.inf]":           "line 1, column 2",
		"[*x]":             "column",
		"[&x 1]":           "column",
		"[!!binary aGk=]":  "column",
		"[INFO] disk full": "column",
		"{\"a\": 1,\n b c": "line",
	} {
		got, err := Literal(text)
		if _, ok := errors.AsType[*Syntax](err); !ok {
			t.Errorf("Literal(%q) = %s, %v; want a syntax error", text, got, err)
			continue
		}
		if !strings.Contains(err.Error(), at) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Literal(%q): %q does not say %q in one line", text, err, at)
		}
	}
}

func TestParseFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "@" + path
	}
	for text, want := range map[string]string{
		file("list", "['a']\n"):      `["a"]`,
		file("text", "two\nlines\n"): `"two\nlines"`,
		file("dos", "line\r\n"):      `"line"`,
		"@-":                         `{"from":"stdin"}`,
		"@@home":                     `"@home"`,
	} {
		got, err := Parse(text, strings.NewReader("{from: stdin}\n"))
		if err != nil || string(got) != want {
			t.Errorf("Parse(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"@" + filepath.Join(dir, "none"):                            "no such file",
		file("latin", "caf\xe9"):                                    "not UTF-8",
		file("broken", "[1"):                                        "bad JSON",
		file("large", strings.Repeat("x", int(model.MaxPayload)+2)): "larger than the 8 MiB",
	} {
		if _, err := Parse(text, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v; want %q", text, err, want)
		}
	}
}

func TestListAndObject(t *testing.T) {
	t.Parallel()
	if got, err := List("[1, 'two']", nil); err != nil || len(got) != 2 || string(got[1]) != `"two"` {
		t.Errorf("List = %s, %v", got, err)
	}
	if got, err := Object("{one: 1}", nil); err != nil || string(got["one"]) != "1" {
		t.Errorf("Object = %s, %v", got, err)
	}
	for _, text := range []string{"1", "{}", "text", "null", "[1"} {
		if got, err := List(text, nil); err == nil {
			t.Errorf("List(%q) = %s, want an error", text, got)
		}
	}
	for _, text := range []string{"1", "[]", "text", "null", "{"} {
		if got, err := Object(text, nil); err == nil {
			t.Errorf("Object(%q) = %s, want an error", text, got)
		}
	}
}

// FuzzLiteral holds that whatever is typed becomes JSON or an error.
func FuzzLiteral(f *testing.F) {
	for _, seed := range []string{"['a']", "{a: [b]}", "'x'", "1", "text", "[&a x, *a]", "{? a : b}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := Literal(text); err == nil && !json.Valid(got) {
			t.Fatalf("Literal(%q) = %q is not JSON", text, got)
		}
	})
}
