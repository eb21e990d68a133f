package frame

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/elasticcode/flow/model"
)

// CallLog collects what one call prints, up to model.MaxLogBytes. The zero
// value is ready; it is not safe for several goroutines.
type CallLog struct {
	lines   []model.LogLine
	bytes   int
	dropped int
}

// Add adds a line, or counts it as dropped once the log is full.
func (l *CallLog) Add(at time.Time, stream, text string) {
	if l.dropped > 0 || l.bytes+len(text)+1 > model.MaxLogBytes {
		l.dropped++
		return
	}
	l.bytes += len(text) + 1
	l.lines = append(l.lines, model.LogLine{Time: at, Stream: stream, Text: strings.ToValidUTF8(text, "\uFFFD")})
}

// Lines returns the lines, with a last one that says how many were dropped.
func (l *CallLog) Lines() []model.LogLine {
	if l.dropped == 0 {
		return l.lines
	}
	note := fmt.Sprintf("[%d more lines were dropped: the log of a call is limited to %d bytes]", l.dropped, model.MaxLogBytes)
	return append(slices.Clip(l.lines), model.LogLine{Time: time.Now().UTC(), Stream: Stderr, Text: note})
}

// The streams of a log line.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// tailLines and tailWidth bound what is kept of the last output of a process.
const (
	tailLines = 20
	tailWidth = 400
)

// tail keeps the last lines of a process.
type tail struct{ lines []string }

func (t *tail) add(text string) {
	if len(text) > tailWidth {
		text = text[:tailWidth] + "…"
	}
	if len(t.lines) == tailLines {
		copy(t.lines, t.lines[1:])
		t.lines = t.lines[:tailLines-1]
	}
	t.lines = append(t.lines, strings.ToValidUTF8(text, "\uFFFD"))
}

func (t *tail) String() string { return strings.Join(t.lines, "\n") }
