package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/store"
)

// The largest bodies of submissions. What is around the values of one call is
// small; many calls are many, but not as many as would fill the memory.
const (
	maxSubmission = model.MaxPayload + 256<<10
	maxBatchBytes = 32 << 20
)

func (a *API) submitRoutes() {
	const tag = "calls"
	one := op(http.MethodPost, "/v1/calls", "submit-call", tag, "Submit a call, and wait for its outcome when asked to",
		http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests)
	one.DefaultStatus = http.StatusAccepted
	one.Description = "Answers 202 when the call is durable; with wait, 200 when it ended in that time."
	readsJSON(&one, maxSubmission)
	alsoAnswers[client.Outcome](a, &one, http.StatusOK, "The call ended")
	register(a, one, a.submitCall)
	describeJSON[client.Submission](a, one)

	many := op(http.MethodPost, "/v1/calls/batch", "submit-calls", tag, "Submit many calls",
		http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests)
	many.DefaultStatus = http.StatusAccepted
	many.Description = "Either all are refused for what they say, or all are sent. After a 429 or 503 some may have been accepted: give ids to repeat them without doubt."
	readsJSON(&many, maxBatchBytes)
	register(a, many, a.submitCalls)
	describeJSON[client.Batch](a, many)
}

// readsJSON is for an operation whose handler reads the body itself: huma would
// parse it twice, and values of calls are large.
func readsJSON(o *huma.Operation, limit int64) {
	o.RequestBody = &huma.RequestBody{Required: true}
	o.SkipValidateBody = true
	o.MaxBodyBytes = limit
}

// describeJSON says what such a body is, after huma has taken it for bytes.
func describeJSON[T any](a *API, o huma.Operation) {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
	o.RequestBody.Content = map[string]*huma.MediaType{"application/json": {Schema: schema}}
}

// alsoAnswers describes another good answer of an operation.
func alsoAnswers[T any](a *API, o *huma.Operation, status int, what string) {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
	if o.Responses == nil {
		o.Responses = map[string]*huma.Response{}
	}
	o.Responses[fmt.Sprint(status)] = &huma.Response{
		Description: what, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}},
	}
}

// decode reads a JSON body strictly: a field that is not known is refused.
func decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, extra := d.Token(); errors.Is(extra, io.EOF) {
			return nil
		}
		err = errors.New("there is text behind the JSON value")
	}
	return undecoded(err)
}

// undecoded explains why a body could not be read.
func undecoded(err error) *client.Problem {
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) || strings.HasPrefix(err.Error(), "json: unknown field") {
		return invalid("the request cannot be accepted: "+strings.TrimPrefix(err.Error(), "json: "), "look at /v1/openapi.json for what this operation takes")
	}
	return problem(http.StatusBadRequest, "the request is not JSON: "+err.Error(), "send one JSON object")
}

type submitIn struct {
	InNetwork
	Wait    string `query:"wait" maxLength:"32" doc:"Wait so long for the outcome, for example 30s; at most 1m"`
	Key     string `header:"Idempotency-Key" maxLength:"255" doc:"Makes the submission repeatable, like id in the body"`
	RawBody []byte `contentType:"application/json"`
}

type outcomeOut struct {
	Status int
	Body   client.Outcome
}

func (a *API) submitCall(ctx context.Context, in *submitIn) (*outcomeOut, error) {
	wait, err := waiting(in.Wait)
	if err != nil {
		return nil, err
	}
	var s client.Submission
	if err := decode(in.RawBody, &s); err != nil {
		return nil, err
	}
	if in.Key != "" {
		if s.ID != "" && s.ID != in.Key {
			return nil, invalid("the Idempotency-Key header and the id of the body differ", "give one of them")
		}
		s.ID = in.Key
	}
	done, err := a.submit(ctx, in.Network, []client.Submission{s})
	if err != nil {
		return nil, err
	}
	out := client.Outcome{Submitted: done[0]}
	if wait > 0 {
		if out, err = a.await(ctx, done[0], wait); err != nil {
			return nil, err
		}
		if err := a.fill(ctx, &out); err != nil {
			return nil, err
		}
	}
	return answer(out), nil
}

func answer(out client.Outcome) *outcomeOut {
	if out.Done() {
		return &outcomeOut{http.StatusOK, out}
	}
	return &outcomeOut{http.StatusAccepted, out}
}

type batchIn struct {
	InNetwork
	RawBody []byte `contentType:"application/json"`
}

func (a *API) submitCalls(ctx context.Context, in *batchIn) (*body[client.BatchSubmitted], error) {
	b, err := decodeBatch(in.RawBody)
	if err != nil {
		return nil, err
	}
	if n := len(b.Calls); n == 0 || n > client.MaxBatch {
		return nil, invalid(fmt.Sprintf("a batch of %d calls", n), fmt.Sprintf("send 1 to %d calls at once", client.MaxBatch))
	}
	done, err := a.submit(ctx, in.Network, b.Calls)
	if err != nil {
		return nil, err
	}
	return &body[client.BatchSubmitted]{client.BatchSubmitted{Calls: done}}, nil
}

// submit checks all calls and makes those durable that are new.
func (a *API) submit(ctx context.Context, network string, calls []client.Submission) ([]client.Submitted, error) {
	out := make([]client.Submitted, len(calls))
	send := make([]Outgoing, 0, len(calls))
	a.catalog.ahead(ctx, network, calls)
	for i, s := range calls {
		o, known, err := a.outgoing(ctx, network, s)
		if err != nil {
			if len(calls) == 1 {
				return nil, err
			}
			return nil, a.placed(ctx, err, i)
		}
		if known != nil {
			out[i] = *known
			o.Repeat = true // those on the same queue may not have been sent
		} else {
			out[i] = client.Submitted{ID: o.Envelope.ID, Tracking: o.Envelope.Tracking, State: model.Queued}
			if s.Argument != "" {
				out[i].State = model.Waiting
			}
			send = append(send, o)
		}
		others, err := a.others(ctx, o)
		if err != nil {
			return nil, err
		}
		send = append(send, others...)
	}
	if len(send) == 0 {
		return out, nil
	}
	if err := a.cfg.Submitter.Submit(ctx, send); err != nil {
		return nil, fmt.Errorf("submit: %w", err)
	}
	return out, nil
}

// placed says which call of a batch is at fault.
func (a *API) placed(ctx context.Context, err error, i int) error {
	p := &client.Problem{}
	if !errors.As(err, &p) {
		p = a.problem(ctx, "submit-calls", err)
	}
	out := *p
	out.Detail = fmt.Sprintf("call %d of the batch: %s", i+1, p.Detail)
	out.Errors = append(out.Errors, client.Fault{Message: p.Detail, Location: fmt.Sprintf("body.calls[%d]", i)})
	return &out
}

// outgoing makes the envelope of a submission. known is set instead when a call
// with its id exists already.
func (a *API) outgoing(ctx context.Context, network string, s client.Submission) (o Outgoing, known *client.Submitted, err error) {
	t, err := a.target(ctx, network, s)
	if err != nil {
		return o, nil, err
	}
	if err := checkSubmission(t, s, 0); err != nil {
		return o, nil, err
	}
	e := model.Envelope{
		ID: callID(network, s), Network: network, Args: s.Args, Kwargs: s.Kwargs, Argument: s.Argument,
		Priority: s.Priority.Brief(), Origin: user(ctx), Created: time.Now().UTC(),
	}
	// The run of a repeated submission is the same one, too.
	e.Tracking = model.RunOf(e.ID)
	o = Outgoing{Endpoint: t.endpoint}
	if t.endpoint != nil {
		e.Socket = t.endpoint.Socket.Name
	} else {
		o.Module, o.Task, o.Shared = t.module, t.name, t.module+"."+t.name
	}
	if s.DeadlineMS > 0 {
		d := e.Created.Add(time.Duration(s.DeadlineMS) * time.Millisecond)
		e.Deadline = &d
	}
	o.Envelope = e
	if s.ID != "" {
		known, o.Repeat, err = a.known(ctx, e)
	}
	return o, known, err
}

// others are the calls that a call of other than normal priority makes of the
// other sockets on a fanout or topic queue. A normal one leaves that to the
// exchange; this one goes to the classes of the sockets' processors, and their
// ids are those that the sockets themselves would give.
func (a *API) others(ctx context.Context, o Outgoing) ([]Outgoing, error) {
	e := o.Endpoint
	if e == nil || o.Envelope.Priority == "" || o.Envelope.Argument != "" || !e.Queue.ReachesAll() {
		return nil, nil
	}
	bound, err := a.catalog.bound(ctx, e.Socket.Network, e.Queue.Name)
	if err != nil {
		return nil, fmt.Errorf("find the sockets on queue %s: %w", e.Queue.Name, err)
	}
	var out []Outgoing
	for i := range bound {
		if bound[i].Socket.Name == e.Socket.Name {
			continue
		}
		other := o
		other.Endpoint, other.Envelope = &bound[i], socket.Copy(o.Envelope, bound[i].Socket)
		out = append(out, other)
	}
	return out, nil
}

// target finds what the submission names.
func (a *API) target(ctx context.Context, network string, s client.Submission) (*target, error) {
	switch {
	case s.Socket == "" && s.Task == "":
		return nil, invalid("the submission names no socket", "name a socket, or a task that sockets expose")
	case s.Socket != "" && s.Task != "":
		return nil, invalid("the submission names a socket and a task", "name one of them")
	case s.Task != "":
		return a.catalog.function(ctx, network, s.Task)
	}
	t, err := a.catalog.socket(ctx, network, s.Socket)
	if !errors.Is(err, store.ErrNotFound) {
		return t, err
	}
	if shared, e := a.catalog.function(ctx, network, s.Socket); e == nil {
		return shared, nil
	}
	return nil, err
}

// checkSubmission tells why a call cannot be accepted. Aside is how many bytes
// its values have that are references in s.
func checkSubmission(t *target, s client.Submission, aside int) error {
	size := 1024 + aside // with what is around the values
	for _, v := range s.Args {
		size += len(v) + 1
	}
	for k, v := range s.Kwargs {
		size += len(k) + len(v) + 4
	}
	switch {
	case size > model.MaxPayload:
		return problem(http.StatusRequestEntityTooLarge,
			fmt.Sprintf("the call is too large: its values have %d bytes, and at most %d are allowed", size, model.MaxPayload), tooLargeHint)
	case s.DeadlineMS < 0:
		return invalid("the deadline is in the past", "give the milliseconds from now, or leave it out")
	case s.Priority.Check() != nil:
		return invalid(s.Priority.Check().Error(), "leave it out for normal")
	case len(s.ID) > 255:
		return invalid(fmt.Sprintf("the id is %d bytes long: at most 255 are allowed", len(s.ID)), "use a shorter one")
	case s.Argument != "" && (len(s.Args) != 1 || len(s.Kwargs) > 0):
		return invalid(fmt.Sprintf("a call for argument %s brings exactly one value", s.Argument), "put it alone into args")
	case s.Argument != "" && t.endpoint == nil:
		return invalid("an argument can only be brought to a socket", "name the socket that joins them")
	case t.task == nil:
		return nil // not described yet: the worker will tell
	}
	return checkArguments(*t.task, s)
}

// known returns the call that was submitted under the id before. When the
// database is away, the call is sent as a repeat: to all who receive it, it is
// the same call, and runs once. So are two that are sent at the same time.
func (a *API) known(ctx context.Context, e model.Envelope) (known *client.Submitted, repeat bool, err error) {
	c, err := a.cfg.Store.Call(ctx, e.ID)
	switch {
	case away(err):
		return nil, true, nil
	case errors.Is(err, store.ErrNotFound):
		return nil, false, nil
	case c.Network != e.Network || e.Socket != "" && c.Socket != e.Socket:
		return nil, false, problem(http.StatusConflict, fmt.Sprintf("call %s exists already, and is one of socket %s", e.ID, c.Socket), "use another id")
	}
	return &client.Submitted{ID: c.ID, Tracking: c.Tracking, State: c.State}, false, nil
}
