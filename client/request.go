package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswer bounds what is read of one answer.
const maxAnswer = 256 << 20

// request is one round trip.
type request struct {
	method string
	path   string // below /v1, escaped
	query  url.Values
	body   any           // sent as JSON when not nil
	out    any           // filled from JSON when not nil; a *bytes.Buffer takes the bytes as they are
	wait   time.Duration // how long the server may wait before it answers
	header http.Header
	accept string
}

// do sends the request, and returns the status of a good answer.
func (c *Client) do(ctx context.Context, r request) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout+max(r.wait, 0))
	defer cancel()
	res, err := c.send(ctx, r) //nolint:bodyclose // drain closes it
	if err != nil {
		return 0, err
	}
	defer drain(res.Body)
	if res.StatusCode == http.StatusNotModified {
		return res.StatusCode, nil
	}
	if res.StatusCode/100 != 2 {
		return 0, c.problem(res)
	}
	if r.out == nil || res.StatusCode == http.StatusNoContent {
		return res.StatusCode, nil
	}
	if raw, ok := r.out.(*bytes.Buffer); ok {
		if _, err := io.Copy(raw, io.LimitReader(res.Body, maxAnswer)); err != nil {
			return 0, c.failure(ctx, err)
		}
		return res.StatusCode, nil
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(r.out); err != nil {
		if ctx.Err() != nil {
			return 0, c.failure(ctx, ctx.Err())
		}
		return 0, &Error{
			Code: CodeInternal, Status: res.StatusCode, Err: err,
			Message: fmt.Sprintf("the answer of %s cannot be understood: %v", c.host(), err),
			Hint:    "is it a Flow server, of a version that fits this program? 'flow version' shows both",
		}
	}
	return res.StatusCode, nil
}

// send returns the answer, whatever its status; ctx bounds reading its body too.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	if c.baseErr != nil {
		return nil, c.baseErr
	}
	var body io.Reader
	if r.body != nil {
		var data bytes.Buffer
		e := json.NewEncoder(&data)
		e.SetEscapeHTML(false) // values stay as they are, and as large
		if err := e.Encode(r.body); err != nil {
			return nil, &Error{Code: CodeUsage, Message: "the request is not JSON: " + err.Error(), Err: err}
		}
		body = bytes.NewReader(bytes.TrimSuffix(data.Bytes(), []byte("\n")))
	}
	u := c.base.String() + r.path
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u, body)
	if err != nil {
		return nil, &Error{Code: CodeUsage, Message: "the request cannot be made: " + clean(err).Error()}
	}
	c.setHeader(req, r)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	return res, nil
}

func (c *Client) setHeader(req *http.Request, r request) {
	maps.Copy(req.Header, r.header)
	accept := r.accept
	if accept == "" {
		accept = "application/json, application/problem+json"
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", c.agent)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
}

// failure explains a request that got no answer.
func (c *Client) failure(ctx context.Context, err error) error {
	err = clean(err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("request to %s: %w", c.host(), context.Canceled)
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		return &Error{
			Code: CodeTimeout, Err: context.DeadlineExceeded,
			Message: fmt.Sprintf("the Flow server at %s did not answer in time", c.host()),
			Hint:    "look at its log, or ask 'flow status' what it waits for",
		}
	}
	return &Error{
		Code: CodeUnreachable, Err: err,
		Message: fmt.Sprintf("cannot reach the Flow server at %s: %v", c.host(), err),
		Hint:    "start one with 'flow up', or name it with --server or FLOW_SERVER",
	}
}

// clean takes the URL out of an error: it may hold a password, and says nothing
// that the message does not say.
func clean(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func (c *Client) host() string {
	if c.base == nil {
		return ""
	}
	return c.base.Host
}

// problem makes an error of an answer that is not good.
func (c *Client) problem(res *http.Response) error {
	var p Problem
	data, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if !strings.Contains(res.Header.Get("Content-Type"), "json") || json.Unmarshal(data, &p) != nil || p.Code == "" {
		return &Error{
			Code: codeOfStatus(res.StatusCode), Status: res.StatusCode,
			Message: fmt.Sprintf("%s answered %s, and not in the way of a Flow server", c.host(), res.Status),
			Hint:    "is this the address of a Flow server? name it with --server or FLOW_SERVER",
		}
	}
	return p.err(res.StatusCode)
}

// drain lets the connection be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10)
	_ = body.Close()
}
