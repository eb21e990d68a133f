package print

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/elasticcode/flow/model"
)

// Result writes what a call returned: text as it is, other values as JSON on
// one line.
func Result(w io.Writer, value json.RawMessage) error {
	var text string
	if len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &text) == nil {
		_, err := fmt.Fprintln(w, text)
		return err
	}
	return JSONLine(w, value)
}

// Failure writes why a call failed: the code's traceback where there is one,
// which ends with the error, else the error alone.
func Failure(w io.Writer, f model.Failure) error {
	text := strings.TrimRight(f.Trace, "\n")
	if text == "" {
		text = f.Error + ": " + f.Message
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = indented(line)
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// indented is Line that keeps the spaces a traceback begins its lines with.
func indented(line string) string {
	body := strings.TrimLeft(line, " \t")
	return strings.ReplaceAll(line[:len(line)-len(body)], "\t", "    ") + Line(body)
}

// JSONLine writes a value as JSON on one line.
func JSONLine(w io.Writer, value json.RawMessage) error {
	if len(value) == 0 {
		value = json.RawMessage("null")
	}
	var line bytes.Buffer
	if err := json.Compact(&line, value); err != nil {
		return fmt.Errorf("show the result: %w", err)
	}
	line.WriteByte('\n')
	_, err := w.Write(unescapeHTML(line.Bytes()))
	return err
}

// unescapeHTML writes <, > and & of JSON as themselves. Go's encoder escapes
// them for browsers, and a server's answer came through one.
func unescapeHTML(data []byte) []byte {
	if !bytes.Contains(data, []byte(`\u00`)) {
		return data
	}
	out := data[:0:0]
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' || i+1 == len(data) {
			out = append(out, data[i])
			continue
		}
		if i+6 <= len(data) {
			if c, ok := escapedHTML[string(data[i:i+6])]; ok {
				out = append(out, c)
				i += 5
				continue
			}
		}
		out = append(out, data[i], data[i+1]) // another escape, whole
		i++
	}
	return out
}

var escapedHTML = map[string]byte{`\u003c`: '<', `\u003e`: '>', `\u0026`: '&'}
