package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/event"
)

// How long a listener waits for the bus, and may take to read one event.
const (
	readyWait = 5 * time.Second
	readTime  = 30 * time.Second
	backlog   = 1024
)

func (a *API) eventRoutes() {
	o := op(http.MethodGet, "/v1/events", listening, "events", "Listen to events as server-sent events", http.StatusUnprocessableEntity)
	o.Description = "The first event is named ready: nothing published from then on is missed. All others are named message. " +
		"A comment is sent every 15 seconds. To continue, give the id of the last event as after, or as the Last-Event-ID header."
	schema := a.huma.OpenAPI().Components.Schemas
	news := schema.Schema(reflect.TypeFor[client.Event](), true, "")
	o.Responses = map[string]*huma.Response{"200": {
		Description: "A stream of events",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: news}},
	}}
	register(a, o, a.listen)
}

type listenIn struct {
	Pattern string `query:"pattern" maxLength:"512" default:"*" doc:"Channel to listen to; * stands for any text, ? for one character"`
	Since   string `query:"since" maxLength:"64" doc:"Begin in the past: a time (RFC 3339) or how long ago, for example 5m"`
	After   string `query:"after" maxLength:"255" doc:"Begin behind the event with this id"`
	Last    string `header:"Last-Event-ID" maxLength:"255" doc:"Like after; browsers send it when they connect again"`
}

type streamOut struct {
	Body func(huma.Context)
}

func (a *API) listen(ctx context.Context, in *listenIn) (*streamOut, error) {
	since, err := timeOf("since", in.Since)
	if err != nil {
		return nil, err
	}
	sub := event.Subscription{Pattern: in.Pattern, Since: since, After: in.After}
	if in.Last != "" {
		sub.After = in.Last
	}
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(a.life, cancel)
	l := &listener{events: make(chan event.Message, backlog), ready: make(chan struct{}), ended: make(chan error, 1)}
	go func() {
		l.ended <- a.cfg.Events.Subscribe(ctx, sub, l.events, func() { close(l.ready) })
	}()
	select {
	case <-l.ready:
	case err = <-l.ended:
		if err == nil {
			err = event.ErrUnavailable
		}
	case <-time.After(readyWait):
		err = event.ErrUnavailable
	}
	if err != nil {
		release()
		cancel()
		return nil, fmt.Errorf("listen to %s: %w", in.Pattern, err)
	}
	return &streamOut{Body: func(hc huma.Context) {
		defer release()
		defer cancel()
		_, w := humago.Unwrap(hc)
		if err := l.stream(ctx, w); err != nil && ctx.Err() == nil {
			a.log.DebugContext(ctx, "listener gone", "err", err)
		}
	}}, nil
}

// listener is one open event stream.
type listener struct {
	events chan event.Message
	ready  chan struct{}
	ended  chan error
}

// stream writes events until ctx ends or the listener is gone.
func (l *listener) stream(ctx context.Context, w http.ResponseWriter) error {
	control := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies pass events on as they come
	w.WriteHeader(http.StatusOK)
	send := func(text string) error {
		// Whatever deadline the server has for answers, this one goes on.
		_ = control.SetWriteDeadline(time.Now().Add(readTime))
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		return control.Flush()
	}
	if err := send("event: ready\ndata: {}\n\n"); err != nil {
		return err
	}
	alive := time.NewTicker(client.KeepAlive)
	defer alive.Stop()
	for {
		text := ": alive\n\n"
		select {
		case <-ctx.Done():
			return nil
		case err := <-l.ended:
			return err
		case <-alive.C:
		case m := <-l.events:
			text = sse(m)
		}
		if err := send(text); err != nil {
			return err
		}
	}
}

// sse is a message in the form of server-sent events.
func sse(m event.Message) string {
	e := client.Event{Channel: m.Channel, ID: m.ID, Time: m.Time, Data: m.Data}
	data, err := json.Marshal(e)
	if err != nil { // what was published is not JSON: give it as text
		e.Data, _ = json.Marshal(string(m.Data))
		data, _ = json.Marshal(e)
	}
	var b strings.Builder
	if m.ID != "" {
		fmt.Fprintf(&b, "id: %s\n", m.ID)
	}
	fmt.Fprintf(&b, "event: message\ndata: %s\n\n", data)
	return b.String()
}
