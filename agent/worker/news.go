package worker

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/model/quickjson"
	"github.com/elasticcode/flow/socket"
)

// news tells the event bus what happens, without ever holding up a call: what
// cannot be told in time is dropped.
type news struct {
	bus event.Bus
	log *slog.Logger

	mu      sync.Mutex // guards the fields below
	pending []event.Message
	spare   []event.Message // room of messages that were told
	pages   [][]byte        // that the data of pending messages is written into, the last one now
	blank   [][]byte        // pages of messages that were told
	place   place           // of the last event
	dropped int
	wake    chan struct{}
}

const (
	newsBacklog = 16 << 10             // how many messages may wait to be told
	newsGather  = 5 * time.Millisecond // how long they wait for others: a call makes several
	newsPage    = 32 << 10             // bytes
	newsItem    = 1 << 10              // bytes of a page that are left for an event; most need less
	newsBlank   = 16                   // pages that are kept for the next events
)

// place is where the events of an endpoint are told.
type place struct {
	of       *model.Endpoint
	channel  string
	channels []string
	room     string
}

func newNews(bus event.Bus, log *slog.Logger) *news {
	return &news{bus: bus, log: log, wake: make(chan struct{}, 1)}
}

// run tells the news, whatever is ready together, until ctx ends; then it tells
// the rest.
func (n *news) run(ctx context.Context) {
	for {
		select {
		case <-n.wake:
			select {
			case <-time.After(newsGather):
			case <-ctx.Done():
			}
			n.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			n.flush(last)
			cancel()
			return
		}
	}
}

func (n *news) flush(ctx context.Context) {
	n.mu.Lock()
	msgs, pages, dropped := n.pending, n.pages, n.dropped
	n.pending, n.spare, n.pages, n.dropped = n.spare, nil, nil, 0
	n.mu.Unlock()
	if dropped > 0 {
		n.log.Warn("events were dropped", "count", dropped)
	}
	if len(msgs) > 0 {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if err := n.bus.Publish(ctx, msgs...); err != nil {
			n.log.Debug("events were lost", "count", len(msgs), "err", err)
		}
	}
	clear(msgs)
	n.mu.Lock()
	n.spare = msgs[:0]
	n.blank = append(n.blank, pages...)
	n.blank = n.blank[:min(len(n.blank), newsBlank)]
	n.mu.Unlock()
}

// item is one event as it is told; docs/protocol.md lists the fields.
type item struct {
	Channel   string      `json:"channel"`
	State     string      `json:"state"`
	Date      time.Time   `json:"date"`
	Room      string      `json:"room"`
	Call      string      `json:"call"`
	Tracking  string      `json:"tracking"`
	Socket    string      `json:"socket"`
	Processor string      `json:"processor"`
	Module    string      `json:"module"`
	Task      string      `json:"task"`
	Attempt   int         `json:"attempt"`
	Outcome   model.State `json:"outcome,omitempty"`
	Duration  float64     `json:"duration,omitempty"` // seconds
	Error     string      `json:"error,omitempty"`
	Message   string      `json:"message,omitempty"`
	Stream    string      `json:"stream,omitempty"`
	Line      *string     `json:"line,omitempty"`
}

// appendJSON writes what encoding/json would, at a fraction of the cost: three
// events are told of every call.
func (it *item) appendJSON(b []byte) []byte {
	text := func(key, value string) { b = quickjson.AppendText(append(b, key...), value) }
	text(`{"channel":`, it.Channel)
	text(`,"state":`, it.State)
	b = quickjson.AppendTime(append(b, `,"date":`...), it.Date)
	text(`,"room":`, it.Room)
	text(`,"call":`, it.Call)
	text(`,"tracking":`, it.Tracking)
	text(`,"socket":`, it.Socket)
	text(`,"processor":`, it.Processor)
	text(`,"module":`, it.Module)
	text(`,"task":`, it.Task)
	b = strconv.AppendInt(append(b, `,"attempt":`...), int64(it.Attempt), 10)
	if it.Outcome != "" {
		text(`,"outcome":`, string(it.Outcome))
	}
	if it.Duration != 0 {
		b = strconv.AppendFloat(append(b, `,"duration":`...), it.Duration, 'f', -1, 64)
	}
	for _, o := range [...]struct{ key, value string }{{`,"error":`, it.Error}, {`,"message":`, it.Message}, {`,"stream":`, it.Stream}} {
		if o.value != "" {
			text(o.key, o.value)
		}
	}
	if it.Line != nil {
		text(`,"line":`, *it.Line)
	}
	return append(b, '}')
}

func about(j *job, channel, state string, at time.Time) item {
	s := &j.Endpoint.Socket
	return item{
		Channel: channel, State: state, Date: at.UTC(), Call: j.Envelope.ID, Tracking: j.Envelope.Tracking,
		Socket: s.Name, Processor: s.Processor, Module: j.Endpoint.Module, Task: s.Task, Attempt: j.attempt,
	}
}

func (n *news) received(jobs []*job) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, j := range jobs {
		n.add(j, about(j, "task", "received", j.At))
	}
}

func (n *news) running(j *job) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.add(j, about(j, "task", "running", j.began))
}

// limited tells that calls of a socket wait for its limits, the job first.
func (n *news) limited(j *job, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.add(j, about(j, "task", "limited", now))
}

func (n *news) ended(batch []finished) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range batch {
		for _, l := range f.log {
			it := about(f.job, "log", "line", l.Time)
			it.Stream, it.Line = l.Stream, &l.Text
			n.add(f.job, it)
		}
		switch f.kind {
		case ran:
			it := about(f.job, "task", "postrun", f.result.Finished)
			it.Outcome = f.result.State
			if !f.result.Started.IsZero() {
				it.Duration = f.result.Finished.Sub(f.result.Started).Seconds()
			}
			fail(&it, f.result.Failure)
			n.add(f.job, it)
		case again:
			it := about(f.job, "task", "retrying", f.ended)
			fail(&it, f.failure)
			n.add(f.job, it)
		}
	}
}

func fail(it *item, f *model.Failure) {
	if f != nil {
		it.Error, it.Message = f.Error, f.Message
	}
}

// add puts the event on the processor's channels; mu is held.
func (n *news) add(j *job, it item) {
	if len(n.pending) >= newsBacklog {
		n.dropped++
		return
	}
	if n.place.of != j.Endpoint || n.place.channel != it.Channel {
		s := j.Endpoint.Socket
		n.place = place{j.Endpoint, it.Channel, socket.Channels(s, it.Channel), socket.Room(s)}
	}
	it.Room = n.place.room
	page := n.page()
	used := len(*page)
	data := it.appendJSON((*page)[used:used])
	if used+len(data) <= cap(*page) { // else it went elsewhere
		*page = (*page)[:used+len(data)]
	}
	data = slices.Clip(data)
	for _, ch := range n.place.channels {
		n.pending = append(n.pending, event.Message{Channel: ch, Data: data})
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// page is where the next event is written; mu is held.
func (n *news) page() *[]byte {
	last := len(n.pages) - 1
	if last < 0 || cap(n.pages[last])-len(n.pages[last]) < newsItem {
		var next []byte
		if b := len(n.blank) - 1; b >= 0 {
			next, n.blank = n.blank[b][:0], n.blank[:b]
		} else {
			next = make([]byte, 0, newsPage)
		}
		n.pages = append(n.pages, next)
		last++
	}
	return &n.pages[last]
}
