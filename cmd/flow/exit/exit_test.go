package exit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/elasticcode/flow/client"
)

func TestCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, OK},
		{errors.New("disk full"), Failure},
		{Usagef("no such option"), Usage},
		{&Error{Code: Remote}, Remote},
		{fmt.Errorf("wrapped: %w", &Error{Code: Timeout}), Timeout},
		{&client.Error{Code: client.CodeUsage}, Usage},
		{&client.Error{Code: client.CodeInvalid}, Usage},
		{&client.Error{Code: client.CodeTooLarge}, Usage},
		{&client.Error{Code: client.CodeNotFound}, NotFound},
		{&client.Error{Code: client.CodeUnauthorized}, Auth},
		{&client.Error{Code: client.CodeForbidden}, Auth},
		{&client.Error{Code: client.CodeConflict}, Conflict},
		{&client.Error{Code: client.CodeUnavailable}, Unreachable},
		{&client.Error{Code: client.CodeUnreachable}, Unreachable},
		{&client.Error{Code: client.CodeTimeout}, Timeout},
		{&client.Error{Code: client.CodeInternal}, Failure},
		{fmt.Errorf("list queues: %w", &client.Error{Code: client.CodeNotFound}), NotFound},
		{fmt.Errorf("wait: %w", context.Canceled), Interrupted},
		{context.DeadlineExceeded, Timeout},
	} {
		if got := Code(c.err); got != c.want {
			t.Errorf("Code(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{errors.New("disk full"), "error: disk full\n"},
		{Usagef("no queue").WithNext("flow ls %s", "queues"), "error: no queue\nnext: flow ls queues\n"},
		{
			&client.Error{Code: client.CodeNotFound, Message: "no socket doubl", Suggestions: []string{"double", "doubt"}, Hint: "flow ls sockets"},
			"error: no socket doubl\ndid you mean \"double\" or \"doubt\"?\nnext: flow ls sockets\n",
		},
		{&client.Error{Code: client.CodeForbidden, Message: "not yours"}, "error: not yours\nnext: 'flow whoami' shows what your token may be used for\n"},
		{
			fmt.Errorf("line 3: %w", &client.Error{Code: client.CodeNotFound, Message: "no socket doubl", Suggestions: []string{"double"}, Hint: "flow ls sockets"}),
			"error: line 3: no socket doubl\ndid you mean \"double\"?\nnext: flow ls sockets\n",
		},
		{fmt.Errorf("line 3: %w", Usagef("no")), "error: line 3: no\n"},
		{fmt.Errorf("request: %w", context.Canceled), "error: interrupted\n"},
		{errors.New("a\x1b[31mb\nc\n"), "error: a\uFFFD[31mb\nc\n"},
	} {
		var out strings.Builder
		Report(&out, c.err, nil)
		if out.String() != c.want {
			t.Errorf("Report(%v) wrote %q, want %q", c.err, out.String(), c.want)
		}
	}
}
