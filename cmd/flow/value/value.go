// Package value turns what a person types for an argument of a call into one
// JSON value.
//
// The rules, as "flow help values" tells them:
//
//   - text that begins with [ or { is a list or an object, in JSON or in YAML's
//     flow style, so that "['some data']" works without a fight with the
//     shell's quotes; if it does not parse, that is an error;
//   - a JSON number, true, false, null and "quoted text" are what they look
//     like, and 'quoted text' is text;
//   - @FILE is what the file holds, read by the same rules; @- is stdin, and
//     @@ begins a text with an @;
//   - all else is plain text.
package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/elasticcode/flow/model"
)

// Syntax is text that begins like a list or an object and is neither.
type Syntax struct {
	Line, Column int // from 1
	Reason       string
}

func (e *Syntax) Error() string {
	return fmt.Sprintf("bad JSON at line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// Parse reads the text of a flag; stdin is what @- stands for.
func Parse(text string, stdin io.Reader) (json.RawMessage, error) {
	if strings.HasPrefix(text, "@@") {
		return Text(text[1:]), nil
	}
	name, isFile := strings.CutPrefix(text, "@")
	if !isFile {
		return Literal(text)
	}
	if name == "-" {
		held, err := ReadText(stdin, "stdin")
		if err != nil {
			return nil, err
		}
		return Literal(held)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the value from a file: %w (begin with @@ if text was meant)", err)
	}
	defer f.Close()
	held, err := ReadText(f, name)
	if err != nil {
		return nil, err
	}
	return Literal(held)
}

// Literal reads a value by the rules of the package, without files.
func Literal(text string) (json.RawMessage, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return Text(text), nil
	}
	switch c := trimmed[0]; {
	case c == '[' || c == '{':
		if v, ok := asJSON(trimmed); ok {
			return v, nil
		}
		return flowStyle(trimmed)
	case c == '\'':
		// Quotes around part of it ('tis so) make no quoted text.
		if v, err := flowStyle(trimmed); err == nil {
			return v, nil
		}
	case c == '"', c == '-', c >= '0' && c <= '9', c == 't', c == 'f', c == 'n':
		if v, ok := asJSON(trimmed); ok {
			return v, nil
		}
	}
	return Text(text), nil
}

// asJSON returns the text, without spare space, if it is one JSON value.
func asJSON(text string) (json.RawMessage, bool) {
	var out bytes.Buffer
	if json.Compact(&out, []byte(text)) != nil {
		return nil, false
	}
	return out.Bytes(), true
}

// Text is the JSON string of a text. Unlike json.Marshal it leaves <, > and &
// as they are.
func Text(text string) json.RawMessage {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string always has a JSON form
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// List reads a JSON (or flow style) list, for --args.
func List(text string, stdin io.Reader) ([]json.RawMessage, error) {
	raw, err := Parse(text, stdin)
	if err != nil {
		return nil, err
	}
	var out []json.RawMessage
	if err := json.Unmarshal(raw, &out); err != nil || out == nil {
		return nil, errors.New("the arguments must be a list, for example [1, \"two\"]")
	}
	return out, nil
}

// Object reads a JSON (or flow style) object, for --kwargs.
func Object(text string, stdin io.Reader) (map[string]json.RawMessage, error) {
	raw, err := Parse(text, stdin)
	if err != nil {
		return nil, err
	}
	var out map[string]json.RawMessage
	if err := json.Unmarshal(raw, &out); err != nil || out == nil {
		return nil, errors.New("the keyword arguments must be an object, for example {\"one\": 1}")
	}
	return out, nil
}

// ReadText reads all of r as one text, its trailing newline off. No value is
// larger than a call may be.
func ReadText(r io.Reader, name string) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, model.MaxPayload+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	if len(b) > model.MaxPayload {
		return "", fmt.Errorf("%s is larger than the %d MiB a call may carry", name, model.MaxPayload>>20)
	}
	if !utf8.Valid(b) {
		return "", fmt.Errorf("%s is not UTF-8 text: encode it first, for example with base64", name)
	}
	return Chomp(string(b)), nil
}

// Chomp takes one trailing newline off.
func Chomp(s string) string {
	s, cut := strings.CutSuffix(s, "\n")
	if cut {
		s = strings.TrimSuffix(s, "\r")
	}
	return s
}
