package api

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/model"
)

// Changes is the channel on which servers tell each other of changes.
const Changes = "flow.changes"

// global is the channel on which everything in a network is told.
const global = "global"

// bell wakes all who wait for a change.
type bell struct {
	mu    sync.Mutex // guards the fields below
	rung  chan struct{}
	epoch int64
	shape int64 // another one after a change of what the sockets of a processor are
}

func newBell() *bell { return &bell{rung: make(chan struct{})} }

// wait returns a channel that is closed at the next change, and a number that
// is another one after it.
func (b *bell) wait() (<-chan struct{}, int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rung, b.epoch
}

// shaped is a number that is another one after a change of sockets or of what is
// around them.
func (b *bell) shaped() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shape
}

// ring tells of a change of a kind of object; of any when it is empty.
func (b *bell) ring(kind string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.rung)
	b.rung = make(chan struct{})
	b.epoch++
	if kind != "deployment" && kind != "task" {
		b.shape++
	}
}

// Changed tells the API that deployments were changed elsewhere in this process,
// by the scheduler: who waits for a plan looks again.
func (a *API) Changed() { a.bell.ring("deployment") }

// Run hears of changes made by other servers until ctx ends. Then it makes all
// waiting requests answer, so that the HTTP server can stop.
func (a *API) Run(ctx context.Context) error {
	defer a.end()
	news := make(chan event.Message, 64)
	done := make(chan struct{})
	listen, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(done)
		a.hear(listen, news)
	}()
	for {
		select {
		case <-ctx.Done():
			<-done
			return nil
		case m := <-news:
			a.told(m)
		}
	}
}

// told rings for a change that another server has made, or another part of this
// one. What this one tells itself was rung for when it was made.
func (a *API) told(m event.Message) {
	var n news
	if err := json.Unmarshal(m.Data, &n); err != nil {
		n = news{} // from a server of another version
	}
	if n.Server != a.name {
		a.bell.ring(n.Kind)
	}
}

// hear subscribes until ctx ends, again when the bus gives up.
func (a *API) hear(ctx context.Context, news chan<- event.Message) {
	for ctx.Err() == nil {
		err := a.cfg.Events.Subscribe(ctx, event.Subscription{Pattern: Changes}, news, nil)
		if ctx.Err() != nil {
			return
		}
		a.log.WarnContext(ctx, "news of changes is not heard, trying again", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// news is what is told of a change.
type news struct {
	Channel string    `json:"channel"`
	Type    string    `json:"type"` // "change"
	Kind    string    `json:"kind"`
	Name    string    `json:"name"`
	Network string    `json:"network"`
	Change  string    `json:"change"` // created, updated, deleted
	Date    time.Time `json:"date"`
	Server  string    `json:"server,omitempty"` // that made it, for other servers
}

// announce tells of a change that was committed.
func (a *API) announce(ctx context.Context, kind, network, name, what string) {
	a.bell.ring(kind)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	channel := global
	if network != "" && network != model.DefaultNetwork {
		channel = network + "/" + global
	}
	n := news{Channel: channel, Type: "change", Kind: kind, Name: name, Network: network, Change: what, Date: time.Now().UTC()}
	data, err := json.Marshal(n)
	n.Server = a.name
	forServers, fails := json.Marshal(n)
	if err = errors.Join(err, fails); err == nil {
		err = a.cfg.Events.Publish(ctx, event.Message{Channel: channel, Data: data}, event.Message{Channel: Changes, Data: forServers})
	}
	if err != nil {
		// News may be lost: others find the change within a second or a few.
		a.log.DebugContext(ctx, "change not announced", "kind", kind, "err", err)
	}
}
