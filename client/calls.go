package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/elasticcode/flow/model"
)

// MaxBatch is how many calls one SubmitBatch takes.
const MaxBatch = 1000

// maxWait is how long one request waits for a result; who wants to wait longer
// asks again, so that no proxy between gives up on a silent connection.
const maxWait = 50 * time.Second

// Submission asks for one call.
type Submission struct {
	// Socket names the socket to call; a function's shared address is also
	// understood where no socket has the name. Give either Socket or Task.
	Socket string `json:"socket,omitempty" doc:"Name of the socket to call. Give either this or task"`
	// Task is a function ("do_this" or "module.do_this"): any socket of it may run the call.
	Task string `json:"task,omitempty" doc:"Function to call (do_this or module.do_this): any socket of it may run the call"`
	// Args and Kwargs are the values for the function's arguments.
	Args   []json.RawMessage          `json:"args,omitempty" nullable:"false" doc:"Positional arguments, any JSON values"`
	Kwargs map[string]json.RawMessage `json:"kwargs,omitempty" doc:"Named arguments, any JSON values"`
	// Argument names the one argument that the one value in Args is for; the
	// function runs when all its arguments have come.
	Argument string `json:"argument,omitempty" doc:"Argument that the one value in args is for: the function runs when all its arguments have come"`
	// ID makes the submission repeatable: the same id is the same call. A UUID
	// becomes the id of the call; of any other text one is derived.
	ID string `json:"id,omitempty" maxLength:"255" doc:"Makes the submission repeatable: the same id is the same call"`
	// Priority is begun before lower ones; empty: normal.
	Priority model.Priority `json:"priority,omitempty" enum:"high,normal,low" doc:"Calls of a higher priority are begun before those of a lower one that wait at the same processor; left out: normal. The calls that follow have it, too"`
	// DeadlineMS is in how many milliseconds the call must have begun.
	DeadlineMS int64 `json:"deadline_ms,omitempty" minimum:"0" doc:"In how many milliseconds the call must have begun; else it expires"`
}

// Submitted says that a call was accepted: it is on the broker's disk.
type Submitted struct {
	ID       string      `json:"id" doc:"Id of the call"`
	Tracking string      `json:"tracking" doc:"Id of the run: shared by all calls that descend from this one"`
	State    model.State `json:"state" doc:"State of the call"`
}

// Outcome is how a call ended, or where it is now.
type Outcome struct {
	Submitted
	// Joined is the call that a delivered argument became part of; Result and
	// Failure are its.
	Joined  string          `json:"joined,omitempty" doc:"Call that a delivered argument became part of; result and failure are its"`
	Result  json.RawMessage `json:"result,omitempty" doc:"What the function returned, any JSON value"`
	Failure *model.Failure  `json:"failure,omitempty" doc:"Why the call did not succeed"`
	// Refs are for the server alone: it puts a large result in its place before
	// it answers.
	Refs []model.Ref `json:"-"`
}

// Done tells whether the call has ended.
func (o Outcome) Done() bool { return o.State.Terminal() }

// Batch is the body of a submission of many calls.
type Batch struct {
	Calls []Submission `json:"calls" minItems:"1" maxItems:"1000" nullable:"false" doc:"The calls"`
}

// BatchSubmitted is the answer to a Batch, in its order.
type BatchSubmitted struct {
	Calls []Submitted `json:"calls" nullable:"false" doc:"The accepted calls, in the order they were given"`
}

// CallFilter chooses calls to list.
type CallFilter struct {
	Socket     string      // only calls of this socket
	State      model.State // only calls in this state
	Run        string      // only calls of this run (tracking)
	Since      time.Time   // only calls that were made then or later
	Until      time.Time   // only calls that were made before
	Unfinished bool        // only calls that have not ended
	Ascending  bool        // oldest first; else newest first
	Exact      bool        // count all in total, beyond 10,000, too
	Limit      int         // size of the page, at most MaxPage; 0 is the server's default
	Cursor     string      // continue behind an earlier page
}

// Submit asks for a call and returns when it is durable, without waiting for it
// to run.
func (c *Client) Submit(ctx context.Context, s Submission) (Submitted, error) {
	var out Submitted
	_, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/calls", query: c.in(""), body: s, out: &out})
	return out, err
}

// SubmitWait asks for a call and waits up to wait for its end. An outcome that
// is not Done after that is no error: Result waits on.
func (c *Client) SubmitWait(ctx context.Context, s Submission, wait time.Duration) (Outcome, error) {
	end := time.Now().Add(wait)
	first := min(wait, maxWait)
	q := c.in("")
	q.Set("wait", first.String())
	var out Outcome
	_, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/calls", query: q, body: s, out: &out, wait: first})
	if left := time.Until(end); err == nil && !out.Done() && wait > first && left > 0 {
		return c.Result(ctx, out.ID, left)
	}
	return out, err
}

// SubmitBatch asks for up to MaxBatch calls at once. Either all are refused for
// what they say, or all are sent.
func (c *Client) SubmitBatch(ctx context.Context, calls []Submission) ([]Submitted, error) {
	var out BatchSubmitted
	_, err := c.do(ctx, request{
		method: http.MethodPost, path: "/v1/calls/batch", query: c.in(""), body: Batch{Calls: calls}, out: &out,
	})
	return out.Calls, err
}

// Call returns the record of a call. Here and in all that is about one call, it is named
// by its id, or by the one that it was submitted under to a socket of the client's network.
func (c *Client) Call(ctx context.Context, id string) (model.Call, error) {
	var out model.Call
	_, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/calls/" + url.PathEscape(id), query: c.keyed(id), out: &out})
	return out, err
}

// keyed is the query that says where the calls are known by the ids, when one of them is
// not the server's own: those need none, and servers before that refuse it.
func (c *Client) keyed(ids ...string) url.Values {
	for _, id := range ids {
		if len(id) != 36 || id[8] != '-' || id[13] != '-' {
			return c.in("")
		}
	}
	return url.Values{}
}

// Calls lists calls, without their logs and events.
func (c *Client) Calls(ctx context.Context, f CallFilter) (model.Page[model.Call], error) {
	q := ListOptions{Limit: f.Limit, Cursor: f.Cursor}.values(c.in(""))
	for k, v := range map[string]string{"socket": f.Socket, "state": string(f.State), "run": f.Run} {
		if v != "" {
			q.Set(k, v)
		}
	}
	setPeriod(q, f.Since, f.Until)
	if f.Unfinished {
		q.Set("unfinished", "true")
	}
	if f.Ascending {
		q.Set("order", "asc")
	}
	if f.Exact {
		q.Set("exact", "true")
	}
	var out model.Page[model.Call]
	_, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/calls", query: q, out: &out})
	return out, err
}

// setPeriod puts the ends of a period into a query, where there are any.
func setPeriod(q url.Values, since, until time.Time) {
	for k, t := range map[string]time.Time{"since": since, "until": until} {
		if !t.IsZero() {
			q.Set(k, t.UTC().Format(time.RFC3339Nano))
		}
	}
}

// Result returns the outcome of a call, waiting up to wait for its end. An
// outcome that is not Done after that is no error.
func (c *Client) Result(ctx context.Context, id string, wait time.Duration) (Outcome, error) {
	end := time.Now().Add(wait)
	for {
		began, step := time.Now(), min(max(time.Until(end), 0), maxWait)
		q := c.keyed(id)
		if step > 0 {
			q.Set("wait", step.Round(time.Millisecond).String())
		}
		var out Outcome
		_, err := c.do(ctx, request{
			method: http.MethodGet, path: "/v1/calls/" + url.PathEscape(id) + "/result", query: q, out: &out, wait: step,
		})
		if err != nil || out.Done() || time.Until(end) <= 0 {
			return out, err
		}
		if time.Since(began) < step/2 {
			// The server answers early when it stops: do not press it.
			pause(ctx, min(early, time.Until(end)))
		}
	}
}

// early is how long to wait before asking again a server that did not wait.
const early = 500 * time.Millisecond

// pause waits; it is false when ctx has ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Tree returns the call and all calls that descend from it, parents first.
func (c *Client) Tree(ctx context.Context, id string) ([]model.Call, error) {
	var out []model.Call
	_, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/calls/" + url.PathEscape(id) + "/tree", query: c.keyed(id), out: &out})
	return out, err
}

// Run returns all calls of a run, oldest first.
func (c *Client) Run(ctx context.Context, tracking string) ([]model.Call, error) {
	var out []model.Call
	_, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/runs/" + url.PathEscape(tracking), out: &out})
	return out, err
}

// QueuedMessage is a message that waits in a queue.
type QueuedMessage struct {
	ID      string            `json:"id" doc:"Id of the message: that of its call"`
	Queue   string            `json:"queue" doc:"Broker queue it waits in"`
	Headers map[string]string `json:"headers,omitempty" doc:"Headers of the message"`
	// Call is the envelope; nil when the body is not one, and then Body is set.
	Call *model.Envelope `json:"call,omitempty" doc:"The call, where the message is one"`
	Body string          `json:"body,omitempty" doc:"The body, where it is not a call"`
}

// Depth returns how full the broker queues of a queue object are.
func (c *Client) Depth(ctx context.Context, queue string) ([]model.QueueDepth, error) {
	var out []model.QueueDepth
	_, err := c.do(ctx, request{
		method: http.MethodGet, path: "/v1/queues/" + url.PathEscape(queue) + "/depth", query: c.in(""), out: &out,
	})
	return out, err
}

// Peek returns up to n messages that wait in the broker queues of a queue
// object, and leaves them there.
func (c *Client) Peek(ctx context.Context, queue string, n int) ([]QueuedMessage, error) {
	q := c.in("")
	if n > 0 {
		q.Set("n", strconv.Itoa(n))
	}
	var out []QueuedMessage
	_, err := c.do(ctx, request{
		method: http.MethodGet, path: "/v1/queues/" + url.PathEscape(queue) + "/messages", query: q, out: &out,
	})
	return out, err
}

// Purged is how many messages a purge removed.
type Purged struct {
	Removed int64 `json:"removed" doc:"How many messages were removed"`
}

// Purge removes all calls that wait in the broker queues of a queue object.
func (c *Client) Purge(ctx context.Context, queue string) (int64, error) {
	var out Purged
	_, err := c.do(ctx, request{
		method: http.MethodDelete, path: "/v1/queues/" + url.PathEscape(queue) + "/messages", query: c.in(""), out: &out,
	})
	return out.Removed, err
}

// CancelledRun says how many calls of a run were cancelled.
type CancelledRun struct {
	Tracking  string `json:"tracking" doc:"Id of the run"`
	Cancelled int    `json:"cancelled" doc:"How many calls were cancelled now; those that are made by calls in flight come on top"`
}

// Cancel ends a call that has not ended, whatever it waits for or does.
func (c *Client) Cancel(ctx context.Context, id string) (Submitted, error) {
	var out Submitted
	_, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/calls/" + url.PathEscape(id) + "/cancel", query: c.keyed(id), out: &out})
	return out, err
}

// CancelRun ends all calls of a run that have not ended, and those that will be
// made by them.
func (c *Client) CancelRun(ctx context.Context, tracking string) (CancelledRun, error) {
	var out CancelledRun
	_, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/runs/" + url.PathEscape(tracking) + "/cancel", out: &out})
	return out, err
}
