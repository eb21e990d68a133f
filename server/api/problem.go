package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/store"
)

// useProblems makes huma answer with our kind of problem, also for faults that
// it finds itself. huma keeps this in a package variable.
var useProblems = sync.OnceFunc(func() {
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return fault(status, msg, errs)
	}
})

// fault is the problem for something that huma found wrong with a request. The
// values themselves are not repeated: they may be secret.
func fault(status int, msg string, errs []error) *client.Problem {
	p := problem(status, msg, "look at /v1/openapi.json for what this operation takes")
	for _, err := range errs {
		f := client.Fault{}
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			f.Message, f.Location = d.ErrorDetail().Message, d.ErrorDetail().Location
		} else if err != nil && status < 500 {
			f.Message = err.Error()
		}
		if f.Message != "" {
			p.Errors = append(p.Errors, f)
		}
	}
	switch {
	case status == http.StatusRequestEntityTooLarge:
		p.Detail, p.Hint = "the request is too large: "+msg, tooLargeHint
	case status >= 500:
		p.Detail, p.Hint = "the server failed to answer", "look at the server's log"
	case len(p.Errors) > 0:
		p.Detail = "the request cannot be accepted: " + strings.Join(faults(p.Errors), "; ")
	}
	return p
}

func faults(fs []client.Fault) []string {
	out := make([]string, 0, len(fs))
	for _, f := range fs {
		if place := strings.TrimPrefix(f.Location, "body."); place != "" {
			out = append(out, place+": "+f.Message)
		} else {
			out = append(out, f.Message)
		}
	}
	return out
}

const tooLargeHint = "store large data elsewhere and pass its address"

// codes are the codes of HTTP statuses.
var codes = map[int]client.Code{
	http.StatusBadRequest: client.CodeUsage, http.StatusMethodNotAllowed: client.CodeUsage,
	http.StatusNotAcceptable: client.CodeUsage, http.StatusUnsupportedMediaType: client.CodeUsage,
	http.StatusUnauthorized: client.CodeUnauthorized, http.StatusForbidden: client.CodeForbidden,
	http.StatusNotFound: client.CodeNotFound, http.StatusConflict: client.CodeConflict,
	http.StatusRequestEntityTooLarge: client.CodeTooLarge, http.StatusUnprocessableEntity: client.CodeInvalid,
	http.StatusRequestTimeout: client.CodeTimeout, http.StatusGatewayTimeout: client.CodeTimeout,
	http.StatusTooManyRequests: client.CodeUnavailable, http.StatusServiceUnavailable: client.CodeUnavailable,
}

// problem returns a problem; its code follows from the status.
func problem(status int, detail, hint string, suggestions ...string) *client.Problem {
	code, ok := codes[status]
	if !ok {
		code = client.CodeInternal
	}
	return &client.Problem{
		Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Hint: hint, Suggestions: suggestions,
	}
}

// invalid says that a request was understood and is refused for what it says.
func invalid(detail, hint string, suggestions ...string) *client.Problem {
	return problem(http.StatusUnprocessableEntity, detail, hint, suggestions...)
}

// check turns what a model's Check says into a problem.
func check(err error) error {
	if err == nil {
		return nil
	}
	return invalid(err.Error(), "correct it and try again")
}

// about says in a problem what it is about; other errors are wrapped.
func about(what string, err error) error {
	var p *client.Problem
	if !errors.As(err, &p) {
		return fmt.Errorf("%s: %w", what, err)
	}
	out := *p
	out.Detail = what + ": " + p.Detail
	return &out
}

// problem explains an error to the person who asked. What is not meant for
// people goes to the log only.
func (a *API) problem(ctx context.Context, operation string, err error) *client.Problem {
	for _, explain := range []func(error) *client.Problem{ofStore, ofCode, ofBroker, ofServices, ofContext} {
		if p := explain(err); p != nil {
			a.log.DebugContext(ctx, "request refused", "operation", operation, "status", p.Status, "err", err)
			return p
		}
	}
	ref := model.NewID()
	a.log.ErrorContext(ctx, "request failed", "operation", operation, "reference", ref, "err", err)
	return problem(http.StatusInternalServerError, "something went wrong in the server",
		"the server's log says what, at reference "+ref)
}

func ofStore(err error) *client.Problem {
	var (
		missing   *store.NotFound
		exists    *store.Exists
		inUse     *store.InUse
		ambiguous *store.Ambiguous
		conflict  *store.Conflict
		ended     *store.Ended
		unkept    *Unkept
	)
	switch {
	case errors.As(err, &ended) && ended.Joined != "":
		return problem(http.StatusConflict, ended.Error(), "name that call: 'flow ls call --id "+ended.Joined+"' shows it")
	case errors.As(err, &ended):
		return problem(http.StatusConflict, ended.Error(), "look at it with 'flow ls call --id "+ended.ID+"'")
	case errors.As(err, &missing):
		return problem(http.StatusNotFound, fmt.Sprintf("there is no %s %q", missing.Kind, missing.Name), hintMissing(missing), missing.Suggestions...)
	case errors.As(err, &exists):
		return problem(http.StatusConflict, exists.Error(), "choose another name, or change the one that exists")
	case errors.As(err, &inUse):
		return problem(http.StatusConflict, inUse.Error(), "delete or change these first")
	case errors.As(err, &ambiguous):
		return problem(http.StatusConflict, fmt.Sprintf("several %ss are called %q", ambiguous.Kind, ambiguous.Name), "say which one", ambiguous.Candidates...)
	case errors.As(err, &conflict):
		return problem(http.StatusConflict, conflict.Error(), "look at it again and repeat the change")
	case errors.Is(err, store.ErrCursor):
		return problem(http.StatusBadRequest, store.ErrCursor.Error(), "leave the cursor out")
	case errors.Is(err, store.ErrUnfit):
		return invalid("this cannot be stored as it is", "it may hold text that is not UTF-8, or a NUL character")
	case errors.Is(err, store.ErrUnmigrated):
		return problem(http.StatusServiceUnavailable, "the database is missing tables, or is older than this server", "run 'flow db migrate'")
	case errors.Is(err, store.ErrNewer):
		return problem(http.StatusServiceUnavailable, "the database is newer than this server", "update the server")
	case errors.As(err, &unkept) && errors.Is(err, store.ErrUnavailable):
		return problem(http.StatusServiceUnavailable, "the call has a value over 128 KiB, which the database keeps, and that cannot be reached now",
			"try again soon; calls with smaller values are accepted without it")
	case errors.Is(err, store.ErrUnavailable):
		return problem(http.StatusServiceUnavailable, "the database cannot be reached now", "try again soon; 'flow status' shows when it is back")
	}
	return nil
}

func hintMissing(e *store.NotFound) string {
	switch e.Kind {
	case "run":
		return "look at the list of calls"
	case "token", "user", "call":
		return "look at the list of " + e.Kind + "s"
	case "network":
		return "list them with 'flow ls networks'"
	}
	return "list them with 'flow ls " + e.Kind + "s'; names belong to a network (--network)"
}

func ofCode(err error) *client.Problem {
	var e *processor.Error
	if !errors.As(err, &e) {
		return nil
	}
	hint := map[processor.Code]string{
		processor.CodeSource:      "check the repository's address, the branch, tag or commit, and the credentials",
		processor.CodeModule:      "check the module's name and --modulepath; the code must be committed",
		processor.CodeEnvironment: "check what the code depends on",
		processor.CodeInterpreter: "install it, or name another one",
	}[e.Code]
	if hint == "" {
		hint = "correct it and try again"
	}
	return invalid(e.Message, hint)
}

func ofBroker(err error) *client.Problem {
	switch {
	case errors.Is(err, broker.ErrFull):
		return problem(http.StatusTooManyRequests, "the queue is full", "try again when it has drained; 'flow ls queue' shows its depth, and its limits can be raised")
	case errors.Is(err, broker.ErrTooLarge):
		return problem(http.StatusRequestEntityTooLarge, "the call is too large for the broker", tooLargeHint)
	case errors.Is(err, broker.ErrBlocked):
		return problem(http.StatusServiceUnavailable, "the broker takes no messages now: it is short of memory or disk", "free some of it; nothing that was accepted is lost")
	case errors.Is(err, broker.ErrMismatch):
		return problem(http.StatusConflict, "the broker has a queue of this name with other properties, which cannot be changed while it exists", "delete it, or use another name")
	case errors.Is(err, broker.ErrUnroutable):
		return problem(http.StatusServiceUnavailable, "the queue of the socket is missing on the broker", "try again in a few seconds: the server declares it again")
	case errors.Is(err, broker.ErrNotFound):
		return problem(http.StatusNotFound, "the broker has no such queue", "it appears with the first socket on it")
	case errors.Is(err, broker.ErrUnavailable), errors.Is(err, broker.ErrClosed):
		return problem(http.StatusServiceUnavailable, "the broker cannot be reached now", "try again soon; 'flow status' shows when it is back")
	}
	return nil
}

func ofServices(err error) *client.Problem {
	switch {
	case errors.Is(err, result.ErrUnavailable):
		return problem(http.StatusServiceUnavailable, "the result store cannot be reached now", "try again soon; 'flow status' shows when it is back")
	case errors.Is(err, event.ErrUnavailable):
		return problem(http.StatusServiceUnavailable, "the event bus cannot be reached now", "try again soon; 'flow status' shows when it is back")
	}
	return nil
}

func ofContext(err error) *client.Problem {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return problem(http.StatusGatewayTimeout, "it took longer than it may", "try again; 'flow status' shows what the server waits for")
	case errors.Is(err, context.Canceled):
		return problem(http.StatusServiceUnavailable, "the request was given up", "try again")
	}
	return nil
}
