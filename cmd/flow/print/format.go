// Package print is how the flow command shows things: tables for people, JSON
// and YAML for programs, names for the shell. Data goes to one writer and notes
// about it to another, so that what is piped on is data only.
package print

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
)

// Format is a form of output.
type Format string

// The forms of output.
const (
	Table Format = "table" // columns, for people
	Wide  Format = "wide"  // more columns
	JSON  Format = "json"  // a list is an array, one thing an object
	YAML  Format = "yaml"  // the same
	Name  Format = "name"  // names (or ids), one a line
)

// Formats lists them all.
func Formats() []string {
	return []string{string(Table), string(Wide), string(JSON), string(YAML), string(Name)}
}

// Set takes a format from the command line.
func (f *Format) Set(text string) error {
	switch v := Format(strings.ToLower(text)); v {
	case Table, Wide, JSON, YAML, Name:
		*f = v
		return nil
	}
	return fmt.Errorf("use one of %s", strings.Join(Formats(), ", "))
}

// String returns the format's name.
func (f *Format) String() string { return string(*f) }

// Type is what help shows for the option's value.
func (f *Format) Type() string { return "FORMAT" }

// Printer shows things in one format.
type Printer struct {
	Out    io.Writer // data
	Notes  io.Writer // about the data
	Format Format    // empty: Table
	Color  bool
}

// Structured tells whether the format is for programs, and so needs all there
// is to show as one value.
func (p Printer) Structured() bool { return p.Format == JSON || p.Format == YAML }

// Value writes a value as JSON or, where the format says so, YAML.
func (p Printer) Value(v any) error {
	data, err := encode(v)
	if err != nil {
		return fmt.Errorf("show the answer: %w", err)
	}
	if p.Format == YAML {
		if data, err = yaml.JSONToYAML(data); err != nil {
			return fmt.Errorf("show the answer as YAML: %w", err)
		}
	}
	_, err = p.Out.Write(data)
	return err
}

func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return unescapeHTML(out.Bytes()), err
}

// Note writes a line beside the data.
func (p Printer) Note(format string, args ...any) {
	fmt.Fprintf(p.Notes, format+"\n", args...)
}

// Heading writes the title of a section of a longer answer.
func (p Printer) Heading(title string) {
	fmt.Fprintf(p.Out, "\n%s\n", p.Paint(Bold, title))
}
