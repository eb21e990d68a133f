package print

import (
	"fmt"
	"io"
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// Column is one column of a table of T.
type Column[T any] struct {
	Title string
	Text  func(T) string
	Wide  bool          // only with -o wide
	Whole bool          // never cut, because the end of it matters; for the last column
	Right bool          // numbers
	Style func(T) Style // nil: none
}

// View is how things of a kind are shown.
type View[T any] struct {
	Kind    string // what several are called: "queues"
	Columns []Column[T]
	// Name is what -o name shows.
	Name func(T) string
	// Value is what JSON and YAML show; nil shows the thing itself.
	Value func(T) any
}

// maxCell is the width at which a cell of a table is cut, where -o wide is not asked for.
const maxCell = 80

// List shows things. None at all are an empty array in JSON, and a table's head
// with a note.
func List[T any](p Printer, v View[T], items []T) error {
	switch p.Format {
	case JSON, YAML:
		values := make([]any, len(items)) // not nil: no items are [], not null
		for i, item := range items {
			values[i] = v.value(item)
		}
		return p.Value(values)
	case Name:
		return names(p.Out, v, items)
	}
	if len(items) == 0 {
		p.Note("there are no %s", v.Kind)
	}
	return Rows(p, v.Columns, items)
}

// One shows one thing; sections, if not nil, adds to a table what else there is
// to tell.
func One[T any](p Printer, v View[T], item T, sections func() error) error {
	switch p.Format {
	case JSON, YAML:
		return p.Value(v.value(item))
	case Name:
		return names(p.Out, v, []T{item})
	}
	if err := Rows(p, v.Columns, []T{item}); err != nil || sections == nil {
		return err
	}
	return sections()
}

func (v View[T]) value(item T) any {
	if v.Value == nil {
		return item
	}
	return v.Value(item)
}

func names[T any](w io.Writer, v View[T], items []T) error {
	for _, item := range items {
		if _, err := fmt.Fprintln(w, v.Name(item)); err != nil {
			return err
		}
	}
	return nil
}

// Rows writes a table, also where the format is not one.
func Rows[T any](p Printer, columns []Column[T], items []T) error {
	shown := make([]Column[T], 0, len(columns))
	for _, c := range columns {
		if !c.Wide || p.Format == Wide {
			shown = append(shown, c)
		}
	}
	cells := make([][]string, len(items))
	widths := make([]int, len(shown))
	for i, c := range shown {
		widths[i] = displaywidth.String(c.Title)
	}
	for r, item := range items {
		cells[r] = make([]string, len(shown))
		for i, c := range shown {
			text := Line(c.Text(item))
			if p.Format != Wide && !c.Whole {
				text = displaywidth.TruncateString(text, maxCell, "…")
			}
			cells[r][i] = text
			widths[i] = max(widths[i], displaywidth.String(text))
		}
	}
	var out strings.Builder
	p.row(&out, len(shown), widths, func(i int) (string, bool, Style) { return shown[i].Title, shown[i].Right, Bold })
	for r, item := range items {
		p.row(&out, len(shown), widths, func(i int) (string, bool, Style) {
			style := Plain
			if shown[i].Style != nil {
				style = shown[i].Style(item)
			}
			return cells[r][i], shown[i].Right, style
		})
	}
	_, err := io.WriteString(p.Out, out.String())
	return err
}

// row writes one line, without spaces at its end.
func (p Printer) row(out *strings.Builder, n int, widths []int, cell func(int) (text string, right bool, style Style)) {
	pending := 0 // spaces owed before the next text
	for i := range n {
		text, right, style := cell(i)
		fill := widths[i] - displaywidth.String(text)
		if right {
			pending += fill
			fill = 0
		}
		if text != "" {
			out.WriteString(strings.Repeat(" ", pending))
			out.WriteString(p.Paint(style, text))
			pending = 0
		}
		pending += fill + 2
	}
	out.WriteByte('\n')
}

// Changed tells what was done in one line, or shows the object that came of it
// where a format was asked for.
func Changed[T any](p Printer, v View[T], item T, message string) error {
	if p.Format != "" {
		return One(p, v, item, nil)
	}
	_, err := fmt.Fprintln(p.Out, message)
	return err
}
