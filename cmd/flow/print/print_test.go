package print

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
)

type thing struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	Note  string `json:"note,omitempty"`
}

func things() View[thing] {
	return View[thing]{
		Kind: "things", Name: func(t thing) string { return t.Name },
		Columns: []Column[thing]{
			{Title: "Name", Text: func(t thing) string { return t.Name }},
			{Title: "Count", Right: true, Text: func(t thing) string { return Count(int64(t.Count)) }},
			{Title: "Note", Text: func(t thing) string { return t.Note }, Style: func(thing) Style { return Bad }},
			{Title: "More", Wide: true, Text: func(t thing) string { return "more" }},
		},
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	items := []thing{{"a", 1, ""}, {"日本", 1234567, "wide\x1b[2J name\nline"}, {"c", 0, strings.Repeat("x", 100)}}
	for _, c := range []struct {
		format Format
		color  bool
		items  []thing
		out    string
		notes  string
	}{
		{format: Table, items: items, out: "Name    Count  Note\na           1\n日本  1234567  wide name line\nc              " + strings.Repeat("x", 79) + "…\n"},
		{format: Wide, items: items[:1], out: "Name  Count  Note  More\na         1        more\n"},
		{format: Table, color: true, items: items[:1], out: "\x1b[1mName\x1b[0m  \x1b[1mCount\x1b[0m  \x1b[1mNote\x1b[0m\na         1\n"},
		{format: Name, items: items[:2], out: "a\n日本\n"},
		{format: JSON, items: items[:1], out: "[\n  {\n    \"name\": \"a\",\n    \"count\": 1\n  }\n]\n"},
		{format: YAML, items: items[:1], out: "- name: a\n  count: 1\n"},
		{format: Table, out: "Name  Count  Note\n", notes: "there are no things\n"},
		{format: JSON, out: "[]\n"},
		{format: Name, out: ""},
	} {
		var out, notes strings.Builder
		err := List(Printer{Out: &out, Notes: &notes, Format: c.format, Color: c.color}, things(), c.items)
		if err != nil || out.String() != c.out || notes.String() != c.notes {
			t.Errorf("%s of %d: %q, %q, %v; want %q, %q", c.format, len(c.items), out.String(), notes.String(), err, c.out, c.notes)
		}
	}
}

func TestWhole(t *testing.T) {
	t.Parallel()
	why := strings.Repeat("x", 2*maxCell)
	var out strings.Builder
	columns := []Column[string]{{Title: "Why", Whole: true, Text: func(s string) string { return s }}}
	if err := Rows(Printer{Out: &out, Format: Table}, columns, []string{why}); err != nil || out.String() != "Why\n"+why+"\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestOneAndChanged(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := Printer{Out: &out, Format: JSON}
	if err := One(p, things(), thing{Name: "a"}, func() error { return errors.New("sections are for tables") }); err != nil {
		t.Fatal(err)
	}
	p.Format = ""
	if err := Changed(p, things(), thing{Name: "a"}, "thing a changed"); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"name\": \"a\",\n  \"count\": 0\n}\nthing a changed\n"; out.String() != want {
		t.Errorf("%q", out.String())
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	root := &Node{Label: "root"}
	a := root.Add(&Node{Label: "a"})
	a.Add(&Node{Label: "a1"}).Add(&Node{Label: "a1x"})
	a.Add(&Node{Label: "a2"})
	root.Add(&Node{Label: "b"}).Add(&Node{Label: "b1"})
	var out strings.Builder
	if err := Tree(&out, root, &Node{Label: "other"}); err != nil {
		t.Fatal(err)
	}
	want := `root
├── a
│   ├── a1
│   │   └── a1x
│   └── a2
└── b
    └── b1
other
`
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}

func TestResult(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`"text"`:                           "text\n",
		`{ "a" : 1.0 }`:                    "{\"a\":1.0}\n",
		`["\u003cb\u003e \u0026 \\u003c"]`: "[\"<b> & \\\\u003c\"]\n",
		`["\u00e9\n"]`:                     "[\"\\u00e9\\n\"]\n",
		``:                                 "null\n",
	} {
		var out strings.Builder
		if err := Result(&out, json.RawMessage(value)); err != nil || out.String() != want {
			t.Errorf("Result(%s) = %q, %v; want %q", value, out.String(), err, want)
		}
		if line := strings.TrimSuffix(out.String(), "\n"); value != `"text"` && !json.Valid([]byte(line)) {
			t.Errorf("%q is not JSON", line)
		}
	}
	if err := Result(&strings.Builder{}, json.RawMessage("{")); err == nil {
		t.Error("a result that is not JSON: want an error")
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	_ = Failure(&out, model.Failure{Error: "E", Message: "m"})
	_ = Failure(&out, model.Failure{Error: "E", Message: "m", Trace: "Trace:\n\tat\x07 x\nE: m\n"})
	if want := "E: m\nTrace:\n    at\uFFFD x\nE: m\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		Duration(0):                            "",
		Duration(1234567 * time.Nanosecond):    "1.2ms",
		Duration(12345 * time.Nanosecond):      "12µs",
		Duration(3456 * time.Millisecond):      "3.46s",
		Duration(90*time.Minute + 400*1e6):     "1h30m0s",
		Bytes(0) + "|":                         "|",
		Bytes(1023):                            "1023 B",
		Bytes(8 << 20):                         "8.0 MiB",
		Milliseconds(30_000):                   "30s",
		TimeOf(nil) + Time(time.Time{}) + "|0": "|0",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	var f Format
	if err := f.Set("YAML"); err != nil || f != YAML {
		t.Errorf("Set(YAML): %q, %v", f, err)
	}
	if err := f.Set("csv"); err == nil {
		t.Error("Set(csv): want an error")
	}
}
