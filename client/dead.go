package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/elasticcode/flow/model"
)

// DeadFilter chooses dead letters to list: calls that ended without success.
type DeadFilter struct {
	Socket string      // only calls of this socket
	Run    string      // only calls of this run (tracking)
	State  model.State // only calls in this state: dead, failed or expired
	Error  string      // only calls with a failure of this type
	Since  time.Time   // only calls that ended then or later
	Until  time.Time   // only calls that ended before
	Limit  int         // size of the page, at most MaxPage; 0 is the server's default
	Cursor string      // continue behind an earlier page
}

// Edit changes the arguments of a dead letter; nil leaves them as they are.
type Edit struct {
	Args   *[]json.RawMessage          `json:"args,omitempty" doc:"Positional arguments, any JSON values"`
	Kwargs *map[string]json.RawMessage `json:"kwargs,omitempty" doc:"Named arguments, any JSON values"`
}

// IDs chooses calls.
type IDs struct {
	IDs []string `json:"ids" minItems:"1" maxItems:"1000" nullable:"false" doc:"Ids of the calls"`
}

// Dealt answers for each of several calls, in the order they were given.
type Dealt struct {
	Calls []DealtCall `json:"calls" nullable:"false" doc:"The calls, in the order they were given"`
}

// DealtCall is what was done with one of several calls.
type DealtCall struct {
	ID    string      `json:"id" doc:"Id of the call"`
	State model.State `json:"state,omitempty" doc:"State of the call now"`
	Error string      `json:"error,omitempty" doc:"Why nothing was done"`
}

// Dead lists the dead letters, the newest first.
func (c *Client) Dead(ctx context.Context, f DeadFilter) (model.Page[model.Call], error) {
	q := ListOptions{Limit: f.Limit, Cursor: f.Cursor}.values(c.in(""))
	for k, v := range map[string]string{"socket": f.Socket, "run": f.Run, "state": string(f.State), "error": f.Error} {
		if v != "" {
			q.Set(k, v)
		}
	}
	setPeriod(q, f.Since, f.Until)
	var out model.Page[model.Call]
	_, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/dead", query: q, out: &out})
	return out, err
}

// EditDead changes the arguments of a call before it is run again.
func (c *Client) EditDead(ctx context.Context, id string, e Edit) (model.Call, error) {
	var out model.Call
	_, err := c.do(ctx, request{method: http.MethodPatch, path: "/v1/dead/" + url.PathEscape(id), query: c.keyed(id), body: e, out: &out})
	return out, err
}

// Redrive runs up to MaxBatch calls again that ended without success.
func (c *Client) Redrive(ctx context.Context, ids ...string) ([]DealtCall, error) {
	return c.deal(ctx, "redrive", ids)
}

// DropDead takes up to MaxBatch calls off the list of the dead letters; their
// records stay.
func (c *Client) DropDead(ctx context.Context, ids ...string) ([]DealtCall, error) {
	return c.deal(ctx, "drop", ids)
}

// Withdraw cancels those of up to MaxBatch calls that have not begun.
func (c *Client) Withdraw(ctx context.Context, ids ...string) ([]DealtCall, error) {
	return c.deal(ctx, "withdraw", ids)
}

func (c *Client) deal(ctx context.Context, verb string, ids []string) ([]DealtCall, error) {
	var out Dealt
	_, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/dead/" + verb, query: c.keyed(ids...), body: IDs{IDs: ids}, out: &out})
	return out.Calls, err
}
