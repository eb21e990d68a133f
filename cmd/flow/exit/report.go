package exit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/elasticcode/flow/client"
)

// Report writes the error as a person should see it; paint colours a word, and
// is nil for none.
//
//	error: socket "doubl" was not found
//	did you mean "double"?
//	next: flow ls sockets
func Report(w io.Writer, err error, paint func(string) string) {
	if err == nil {
		return
	}
	message, suggestions, next := parts(err)
	label := "error:"
	if paint != nil {
		label = paint(label)
	}
	fmt.Fprintln(w, label, visible(message))
	if len(suggestions) > 0 {
		fmt.Fprintf(w, "did you mean %s?\n", quoted(suggestions))
	}
	if next != "" {
		fmt.Fprintln(w, "next:", visible(next))
	}
}

func parts(err error) (message string, suggestions []string, next string) {
	if own, ok := errors.AsType[*Error](err); ok {
		return err.Error(), own.Suggestions, own.Next
	}
	if remote, ok := errors.AsType[*client.Error](err); ok {
		next = remote.Hint
		if next == "" {
			next = nextOf[remote.Code]
		}
		// Suggestions have a line of their own; what was said around it stays.
		return strings.Replace(err.Error(), remote.Error(), remote.Message, 1), remote.Suggestions, next
	}
	if errors.Is(err, context.Canceled) {
		return "interrupted", nil, ""
	}
	return err.Error(), nil, ""
}

// nextOf is for errors of the server that came without a hint.
var nextOf = map[client.Code]string{
	client.CodeUnauthorized: "make a context with 'flow up' or 'flow --config', or set FLOW_TOKEN",
	client.CodeForbidden:    "'flow whoami' shows what your token may be used for",
	client.CodeUnavailable:  "'flow status' shows what cannot be reached",
	client.CodeInternal:     "look at the server's log",
}

func quoted(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, " or ")
}

// visible keeps control characters that came from elsewhere off the terminal;
// an error may have several lines.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, strings.TrimRight(s, "\n"))
}
