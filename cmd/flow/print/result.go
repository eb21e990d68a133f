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
	_, err := w.Write(line.Bytes())
	return err
}
