package quickjson

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Object writes the members of a JSON object.
type Object struct {
	b   []byte
	err error
}

// Begin begins an object at the end of b.
func Begin(b []byte) Object { return Object{b: append(b, '{')} }

// End ends the object. It returns all of b, and what was wrong with a value.
func (o *Object) End() ([]byte, error) { return append(o.b, '}'), o.err }

func (o *Object) key(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(append(append(o.b, '"'), name...), `":`...)
}

// Text writes a string.
func (o *Object) Text(name, value string) {
	o.key(name)
	o.b = AppendText(o.b, value)
}

// Present writes a string that is left out when it is empty.
func (o *Object) Present(name, value string) {
	if value != "" {
		o.Text(name, value)
	}
}

// Number writes an integer.
func (o *Object) Number(name string, n int) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, int64(n), 10)
}

// Count writes a number that is left out when it is 0.
func (o *Object) Count(name string, n int) {
	if n != 0 {
		o.Number(name, n)
	}
}

// Texts writes a list of strings; null for nil.
func (o *Object) Texts(name string, values []string) {
	o.key(name)
	if values == nil {
		o.b = append(o.b, "null"...)
		return
	}
	o.b = append(o.b, '[')
	for i, v := range values {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = AppendText(o.b, v)
	}
	o.b = append(o.b, ']')
}

// Value writes a value as it is, once it is sure that it is one; it is left out
// when it is empty.
func (o *Object) Value(name string, v json.RawMessage) {
	if len(v) > 0 {
		o.key(name)
		o.value(v)
	}
}

// Values writes a list of values; it is left out when there are none.
func (o *Object) Values(name string, values []json.RawMessage) {
	if len(values) == 0 {
		return
	}
	o.key(name)
	o.b = append(o.b, '[')
	for i, v := range values {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.value(v)
	}
	o.b = append(o.b, ']')
}

// Named writes an object of values, by name; it is left out when there are none.
func (o *Object) Named(name string, values map[string]json.RawMessage) {
	if len(values) == 0 {
		return
	}
	o.key(name)
	o.b = append(o.b, '{')
	for i, k := range slices.Sorted(maps.Keys(values)) {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = append(AppendText(o.b, k), ':')
		o.value(values[k])
	}
	o.b = append(o.b, '}')
}

func (o *Object) value(v json.RawMessage) {
	switch {
	case v == nil:
		o.b = append(o.b, "null"...)
	case Valid(v):
		o.b = append(o.b, v...)
	default:
		o.err = fmt.Errorf("%.40q is not a JSON value", v)
	}
}

// Time writes a time; null for nil.
func (o *Object) Time(name string, t *time.Time) {
	o.key(name)
	if t == nil {
		o.b = append(o.b, "null"...)
		return
	}
	o.b = AppendTime(o.b, *t)
}

// List writes n objects; it is left out when there are none.
func (o *Object) List(name string, n int, write func(o *Object, i int)) {
	if n == 0 {
		return
	}
	o.key(name)
	o.b = append(o.b, '[')
	for i := range n {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		one := Begin(o.b)
		write(&one, i)
		var err error
		o.b, err = one.End()
		o.err = cmp.Or(o.err, err)
	}
	o.b = append(o.b, ']')
}

// Rare leaves what is seldom present to encoding/json.
func (o *Object) Rare(name string, v any, present bool) {
	if !present {
		return
	}
	data, err := json.Marshal(v)
	if err != nil {
		o.err = err
		return
	}
	o.key(name)
	o.b = append(o.b, data...)
}

// Valid tells what json.Valid does, sooner.
func Valid(v []byte) bool {
	end := value(v, 0, 0)
	return end >= 0 && space(v, end) == len(v) || json.Valid(v)
}

// AppendText appends a JSON string. Plain text, as names and ids are, is copied.
func AppendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			data, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...) // a string has no reason to fail
			}
			return append(b, data...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// AppendTime appends a time as JSON has it.
func AppendTime(b []byte, t time.Time) []byte {
	b = t.AppendFormat(append(b, '"'), time.RFC3339Nano)
	return append(b, '"')
}
