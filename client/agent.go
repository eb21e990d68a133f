package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/elasticcode/flow/model"
)

// HeartbeatAnswer tells an agent which plan its node should follow.
type HeartbeatAnswer struct {
	PlanVersion string `json:"plan_version" doc:"Version of the node's plan; ask for the plan when it is not the one you have"`
}

// TasksReport is what an agent found in a processor's module.
type TasksReport struct {
	Commit     string       `json:"commit" doc:"Commit that was described"`
	Generation int64        `json:"generation" doc:"Generation of the processor that was described"`
	Tasks      []model.Task `json:"tasks" nullable:"false" doc:"Functions of the module"`
}

// Heartbeat reports a node, its agent and its workers; it returns the version of
// the plan that the node should follow.
func (c *Client) Heartbeat(ctx context.Context, h model.Heartbeat) (string, error) {
	var out HeartbeatAnswer
	_, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/agents/heartbeat", body: h, out: &out})
	return out.PlanVersion, err
}

// Plan returns what the node is wanted to run. When that is still the version
// given, it waits up to wait for a change; changed is false when there was none.
func (c *Client) Plan(ctx context.Context, node, version string, wait time.Duration) (plan model.Plan, changed bool, err error) {
	q := url.Values{"node": {node}}
	if version != "" {
		q.Set("version", version)
	}
	if wait > 0 {
		q.Set("wait", wait.String())
	}
	status, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/plan", query: q, out: &plan, wait: wait})
	return plan, err == nil && status != http.StatusNotModified, err
}

// Assignment returns what a worker of a processor needs to run it.
func (c *Client) Assignment(ctx context.Context, processor string) (model.Assignment, error) {
	var out model.Assignment
	_, err := c.do(ctx, request{
		method: http.MethodGet, path: "/v1/processors/" + url.PathEscape(processor) + "/assignment", query: c.in(""), out: &out,
	})
	return out, err
}

// EndedQuery asks which calls the history knows to have ended.
type EndedQuery struct {
	Calls []string `json:"calls" maxItems:"1000" nullable:"false" doc:"Ids of calls"`
}

// EndedAnswer is those of the calls that have ended.
type EndedAnswer struct {
	Calls []model.Call `json:"calls" nullable:"false" doc:"The calls that have ended, in no order"`
}

// Ended returns those of the calls that the history knows to have ended. Workers
// ask when the result store has lost its memory.
func (c *Client) Ended(ctx context.Context, calls []string) ([]model.Call, error) {
	var out EndedAnswer
	_, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/agents/ended", body: EndedQuery{Calls: calls}, out: &out})
	return out.Calls, err
}

// Values returns those of the large values that the server knows, by the SHA-256
// of their bytes. Workers ask when the result store does not have them.
func (c *Client) Values(ctx context.Context, hashes []string) (map[string]json.RawMessage, error) {
	out := make(map[string]json.RawMessage, len(hashes))
	for _, h := range hashes {
		var value bytes.Buffer
		_, err := c.do(ctx, request{
			method: http.MethodGet, path: "/v1/agents/blobs/" + url.PathEscape(h), out: &value, accept: "application/octet-stream, application/problem+json",
		})
		var e *Error
		switch {
		case err == nil:
			out[h] = value.Bytes()
		case !errors.As(err, &e) || e.Code != CodeNotFound:
			return nil, err
		}
	}
	return out, nil
}

// ReportTasks tells the functions of a processor's module.
func (c *Client) ReportTasks(ctx context.Context, network, processor string, r TasksReport) error {
	_, err := c.do(ctx, request{
		method: http.MethodPut, path: "/v1/processors/" + url.PathEscape(processor) + "/tasks", query: c.in(network), body: r,
	})
	return err
}
