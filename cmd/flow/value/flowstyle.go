package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// flowStyle reads one YAML value into JSON. It walks the syntax tree instead of
// decoding, so that numbers keep all their digits and keys their order.
func flowStyle(text string) (json.RawMessage, error) {
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		return nil, asSyntax(err)
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, &Syntax{Line: 1, Column: 1, Reason: "one value is expected"}
	}
	var out bytes.Buffer
	if err := write(&out, file.Docs[0].Body); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// asSyntax takes the position and reason out of the parser's error, whose text
// has several lines.
func asSyntax(err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		return wrong(at.GetToken(), at.GetMessage())
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return &Syntax{Line: 1, Column: 1, Reason: first}
}

func wrong(t *token.Token, reason string) error {
	return &Syntax{Line: t.Position.Line, Column: t.Position.Column, Reason: reason}
}

func write(out *bytes.Buffer, n ast.Node) error {
	switch n := n.(type) {
	case *ast.SequenceNode:
		return writeList(out, n)
	case *ast.MappingNode:
		return writeObject(out, n.Values)
	case *ast.MappingValueNode:
		return writeObject(out, []*ast.MappingValueNode{n})
	case *ast.StringNode:
		if n.Token.Type == token.StringType && isNumber(n.Value) {
			out.WriteString(n.Value) // a number YAML has no type for, such as 1e3
			return nil
		}
		out.Write(Text(n.Value))
		return nil
	case *ast.NullNode:
		out.WriteString("null")
		return nil
	case *ast.BoolNode:
		out.WriteString(strconv.FormatBool(n.Value))
		return nil
	case *ast.IntegerNode, *ast.FloatNode:
		return writeNumber(out, n.(ast.ScalarNode))
	}
	return wrong(n.GetToken(), strconv.Quote(n.GetToken().Value)+" has no JSON form: quote it if text was meant")
}

func writeList(out *bytes.Buffer, n *ast.SequenceNode) error {
	out.WriteByte('[')
	for i, item := range n.Values {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := write(out, item); err != nil {
			return err
		}
	}
	out.WriteByte(']')
	return nil
}

func writeObject(out *bytes.Buffer, values []*ast.MappingValueNode) error {
	seen := make(map[string]bool, len(values))
	out.WriteByte('{')
	for i, kv := range values {
		key := kv.Key.GetToken()
		if _, scalar := kv.Key.(ast.ScalarNode); !scalar {
			return wrong(key, "a key must be text")
		}
		if seen[key.Value] {
			return wrong(key, "the key "+strconv.Quote(key.Value)+" is there twice")
		}
		seen[key.Value] = true
		if bare(kv) {
			return wrong(key, "the key "+strconv.Quote(key.Value)+" has no value: write it as key: value, with a space behind the colon")
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(Text(key.Value))
		out.WriteByte(':')
		if err := write(out, kv.Value); err != nil {
			return err
		}
	}
	out.WriteByte('}')
	return nil
}

// bare tells of a key without a value, as in {a, b}, where YAML
// means null. It is always a slip.
func bare(kv *ast.MappingValueNode) bool {
	null, ok := kv.Value.(*ast.NullNode)
	return ok && null.Token.Type != token.NullType
}

// writeNumber keeps the digits of a JSON number and converts YAML's other forms.
func writeNumber(out *bytes.Buffer, n ast.ScalarNode) error {
	text := n.GetToken().Value
	if isNumber(text) {
		out.WriteString(text)
		return nil
	}
	b, err := json.Marshal(n.GetValue())
	if err != nil {
		return wrong(n.GetToken(), strconv.Quote(text)+" has no JSON form: quote it if text was meant")
	}
	out.Write(b)
	return nil
}

// isNumber tells whether the text is a number as JSON writes it.
func isNumber(text string) bool {
	if text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return false
	}
	return json.Valid([]byte(text))
}
