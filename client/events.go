package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// Event is one piece of news.
type Event struct {
	Channel string          `json:"channel" doc:"Channel it was published on" example:"pyfi.queue1.proc1.task"`
	ID      string          `json:"id,omitempty" doc:"Place in the backlog: pass it as after to continue behind it"`
	Time    time.Time       `json:"time" doc:"When it was published"`
	Data    json.RawMessage `json:"data" doc:"One JSON object"`
}

// EventFilter says what to listen to.
type EventFilter struct {
	// Pattern is a channel name in which * stands for any text and ? for one
	// character; empty is everything.
	Pattern string
	// Since begins with the backlog from then on; zero begins now.
	Since time.Time
	// After begins behind the event with this id; it wins over Since.
	After string
	// Ready, if not nil, is called once when nothing published from then on is missed.
	Ready func()
	// Lost, if not nil, is called when the connection broke and is made again.
	Lost func(err error)
}

// Events calls fn for every event until ctx ends, which is no error, or fn
// fails, which is returned. A connection that breaks is made again, behind the
// last event heard; only the first connection's failure is returned.
func (c *Client) Events(ctx context.Context, f EventFilter, fn func(Event) error) error {
	s := stream{c: c, filter: f, fn: fn}
	for {
		began := time.Now()
		err := s.listen(ctx)
		var stop *stopError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &stop):
			return stop.err
		case !s.connected || !retryable(err):
			return err
		}
		if f.Lost != nil {
			f.Lost(err)
		}
		if !s.pause(ctx, time.Since(began)) {
			return nil
		}
	}
}

// stream is the state of one Events.
type stream struct {
	c         *Client
	filter    EventFilter
	fn        func(Event) error
	connected bool // at least once
	delay     time.Duration
}

// stopError carries an error of the caller's function out.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }

const (
	firstDelay = 200 * time.Millisecond
	maxDelay   = 10 * time.Second
	// silence is how long the server may say nothing; it sends a comment at
	// least every KeepAlive.
	silence = 3 * KeepAlive
)

// KeepAlive is how often a server says on an event stream that it is there.
const KeepAlive = 15 * time.Second

// pause waits before the next try, longer each time; a connection that lived
// begins anew. It is false when ctx has ended.
func (s *stream) pause(ctx context.Context, lived time.Duration) bool {
	if lived > maxDelay {
		s.delay = 0
	}
	s.delay = min(max(2*s.delay, firstDelay), maxDelay)
	return pause(ctx, s.delay)
}

func retryable(err error) bool {
	switch CodeOf(err) {
	case "", CodeUnreachable, CodeUnavailable, CodeTimeout, CodeInternal:
		return true
	}
	return false
}

// listen reads one connection to its end, which is always an error.
func (s *stream) listen(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()

	res, err := s.c.send(ctx, request{
		method: http.MethodGet, path: "/v1/events", query: s.query(), accept: "text/event-stream",
	})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return s.c.problem(res)
	}
	return readSSE(res.Body, func(m sseMessage) error {
		watchdog.Reset(silence)
		return s.handle(m)
	})
}

func (s *stream) query() url.Values {
	q := url.Values{}
	if s.filter.Pattern != "" {
		q.Set("pattern", s.filter.Pattern)
	}
	switch {
	case s.filter.After != "":
		q.Set("after", s.filter.After)
	case !s.filter.Since.IsZero():
		q.Set("since", s.filter.Since.Format(time.RFC3339Nano))
	}
	return q
}

func (s *stream) handle(m sseMessage) error {
	switch m.event {
	case "ready":
		if !s.connected && s.filter.Ready != nil {
			s.filter.Ready()
		}
		if s.filter.After == "" && s.filter.Since.IsZero() {
			// What is missed while the connection is down is heard after it.
			s.filter.Since = time.Now()
		}
		s.connected = true
	case "message":
		var e Event
		if err := json.Unmarshal(m.data, &e); err != nil {
			return &Error{Code: CodeInternal, Message: "an event cannot be understood: " + err.Error(), Err: err}
		}
		if e.ID != "" {
			s.filter.After = e.ID
		}
		if err := s.fn(e); err != nil {
			return &stopError{err}
		}
	}
	return nil
}
