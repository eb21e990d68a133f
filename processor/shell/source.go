package shell

import (
	"bytes"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// maxSource is how much of a script is kept as the source of its task.
const maxSource = 64 << 10

// readSource returns a script's text, or nothing for what is not text.
func readSource(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxSource))
	if err != nil || !utf8.Valid(b) || bytes.ContainsRune(b, 0) {
		return ""
	}
	return string(b)
}

// headComment returns the comment that a script begins with, after its #! line.
func headComment(source string) string {
	var doc []string
	for i, line := range strings.Split(source, "\n") {
		if i == 0 && strings.HasPrefix(line, "#!") {
			continue
		}
		text, ok := strings.CutPrefix(line, "#")
		if !ok {
			if len(doc) == 0 && strings.TrimSpace(line) == "" {
				continue
			}
			break
		}
		doc = append(doc, strings.TrimPrefix(text, " "))
	}
	return strings.TrimSpace(strings.Join(doc, "\n"))
}
