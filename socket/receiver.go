package socket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
)

// Received is a call taken from a queue, for one endpoint.
type Received struct {
	Envelope model.Envelope
	Endpoint *model.Endpoint
	Delivery *broker.Delivery
	// Repeat says that the call may have been delivered or sent before.
	Repeat bool
	At     time.Time
}

// inQueue is for whom the calls of a queue are.
type inQueue struct {
	endpoint *model.Endpoint            // all of them; nil in a class queue
	sockets  map[string]*model.Endpoint // in a class queue: by the name of the socket
}

type consumer interface {
	Consume(ctx context.Context, queue string, prefetch int, out chan<- *broker.Delivery) error
}

// Receiver takes the calls of a set of endpoints out of their queues.
//
// How many calls it takes ahead follows how long they run: a worker with quick
// calls takes many, so that the broker never keeps it waiting; one with slow
// calls takes few, so that others can have the rest. Of a socket with a limit it
// takes no more than are soon to run, and none while it is paused.
type Receiver struct {
	broker consumer
	log    *slog.Logger
	in     chan *broker.Delivery

	mu        sync.Mutex         // guards the fields below
	endpoints map[string]inQueue // by queue
	sockets   map[string]*model.Endpoint
	paused    map[string]bool // sockets whose calls are not taken now
	resting   map[string]bool // queues that nothing is taken from now
	consuming map[string]consuming
	prefetch  int             // broker messages, which may have several calls in them
	messages  float64         // how many broker messages there are to a call: 1, or less
	ctx       context.Context // of Run; nil before and after
	wg        sync.WaitGroup
}

// consuming is that a queue is taken from.
type consuming struct {
	cancel   context.CancelFunc
	prefetch int
	ceiling  int
	since    time.Time
}

// The steps of how many calls are taken ahead, per queue: about what a worker
// does in 40 to 100 ms, so that what it holds but has not begun is soon done or
// given back.
const (
	prefetchSlow  = 2
	prefetchFirst = 8 // also where nothing is known yet
	prefetchQuick = 32
	prefetchFlood = 256
)

// NewReceiver returns a receiver without endpoints.
func NewReceiver(b consumer, log *slog.Logger) *Receiver {
	return &Receiver{
		broker: b, log: log, in: make(chan *broker.Delivery, prefetchFlood),
		endpoints: map[string]inQueue{}, paused: map[string]bool{}, resting: map[string]bool{}, consuming: map[string]consuming{},
		prefetch: prefetchFirst, messages: 1,
	}
}

// Run takes calls until ctx ends, and returns when nothing is sent to the
// channel of Deliveries any more.
func (r *Receiver) Run(ctx context.Context) error {
	r.mu.Lock()
	r.ctx = ctx
	r.reconcile()
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()
	r.ctx = nil
	r.mu.Unlock()
	r.wg.Wait()
	return nil
}

// Deliveries is where the deliveries arrive; Open turns one into a call. What is
// still in it after Run has returned is to be settled like the rest.
func (r *Receiver) Deliveries() <-chan *broker.Delivery { return r.in }

// Set changes the endpoints whose calls are taken. None is paused after that, and
// no queue rests.
func (r *Receiver) Set(endpoints []model.Endpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.endpoints)
	clear(r.paused)
	clear(r.resting)
	r.sockets = make(map[string]*model.Endpoint, len(endpoints))
	for i := range endpoints {
		e := &endpoints[i]
		r.sockets[e.Socket.Name] = e
		for _, q := range Queues(*e) {
			r.endpoints[q] = inQueue{endpoint: e}
		}
		for _, q := range ClassQueues(e.Socket.Network, e.Socket.Processor) {
			r.endpoints[q] = inQueue{sockets: r.sockets}
		}
	}
	r.reconcile()
}

// Pause takes no more calls of a socket, from none of its queues, until Resume
// or Set. What was taken already still arrives.
func (r *Receiver) Pause(socket string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused[socket] = true
	r.reconcile()
}

// Resume takes calls of a socket again.
func (r *Receiver) Resume(socket string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.paused, socket)
	r.reconcile()
}

// Rest takes nothing from the queues until Wake or Set: what would come out of
// them could only be given back. One of the class high never rests, so that its
// calls are here when the next one can be begun.
func (r *Receiver) Rest(queues ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range queues {
		if !inHighClass(q) {
			r.resting[q] = true
		}
	}
	r.reconcile()
}

// Wake takes from queues again that rest.
func (r *Receiver) Wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.resting) > 0 {
		clear(r.resting)
		r.reconcile()
	}
}

// Endpoint returns the endpoint that takes the calls of a socket from a queue
// now, or nil.
func (r *Receiver) Endpoint(queue, socket string) *model.Endpoint {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := r.endpoints[queue]
	if e := in.endpoint; e != nil && e.Socket.Name == socket {
		return e
	}
	return in.sockets[socket]
}

// Current returns the endpoint of a socket as it is now, wherever its calls are
// taken from, or nil.
func (r *Receiver) Current(socket string) *model.Endpoint {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sockets[socket]
}

// Pace tells how long a call takes now, on average; the receiver takes more or
// fewer ahead accordingly, from each queue when the next call comes out of it.
func (r *Receiver) Pace(perCall time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	perMessage := time.Duration(float64(perCall) / r.messages)
	want := prefetchFor(perMessage)
	// Near a step it stays as it is: changing costs the broker a new consumer.
	if want == r.prefetch || prefetchFor(perMessage*2/3) != want || prefetchFor(perMessage*3/2) != want {
		return
	}
	r.prefetch = want
}

// keepsUp is how long a queue is taken from before more is taken ahead. To take
// less ahead waits for nothing.
const keepsUp = time.Second

// adjust takes more or fewer calls ahead from a queue that has some now. The
// others are left alone: each change is a new consumer, and there may be
// thousands of queues. After the end of Run nothing is taken. mu is held.
func (r *Receiver) adjust(queue string, in inQueue) {
	c, ok := r.consuming[queue]
	want := r.prefetchOf(in)
	if r.ctx == nil || !ok || want == c.prefetch || want > c.prefetch && time.Since(c.since) < keepsUp {
		return
	}
	r.log.Debug("take ahead", "queue", queue, "prefetch", want, "was", c.prefetch)
	c.cancel()
	r.take(queue, in)
}

func prefetchFor(perCall time.Duration) int {
	switch {
	case perCall <= 400*time.Microsecond:
		return prefetchFlood
	case perCall <= 3*time.Millisecond:
		return prefetchQuick
	case perCall <= 15*time.Millisecond:
		return prefetchFirst
	}
	return prefetchSlow
}

// prefetchOf is how many messages are taken ahead from the queue of an endpoint.
func (r *Receiver) prefetchOf(in inQueue) int { return min(r.prefetch, ceiling(in)) }

// ceiling bounds what is taken ahead, however quick the calls are: where there is
// a limit, to about what may begin within a tenth of a second.
func ceiling(in inQueue) int {
	e := in.endpoint
	if e == nil { // a class: what a limit holds up goes back, and is in nobody's way
		return prefetchFlood
	}
	if e.Socket.MaxRunning > 0 {
		return prefetchFirst // those who have no place hold as many
	}
	most := prefetchFlood
	for _, l := range []model.Limit{e.Socket.Limit, e.ProcessorLimit} {
		if !l.Limited() {
			continue
		}
		soon := int(l.Rate.PerSecond() / 10)
		for _, step := range []int{prefetchFlood, prefetchQuick, prefetchFirst, prefetchSlow} {
			if most > step && soon <= step {
				most = step
			}
		}
	}
	return most
}

// rests tells whether nothing is taken from a queue now. The calls of a class
// are for several sockets.
func (r *Receiver) rests(queue string, in inQueue) bool {
	return r.resting[queue] || in.endpoint != nil && r.paused[in.endpoint.Socket.Name]
}

// reconcile starts and stops consuming so that it fits the endpoints; mu is held.
func (r *Receiver) reconcile() {
	if r.ctx == nil {
		return
	}
	for q, c := range r.consuming {
		if in, ok := r.endpoints[q]; !ok || r.rests(q, in) || ceiling(in) != c.ceiling {
			c.cancel()
			delete(r.consuming, q)
		}
	}
	for q, in := range r.endpoints {
		if _, ok := r.consuming[q]; !ok && !r.rests(q, in) {
			r.take(q, in)
		}
	}
}

// take starts to take from a queue; mu is held.
func (r *Receiver) take(queue string, in inQueue) {
	ctx, cancel := context.WithCancel(r.ctx)
	prefetch := r.prefetchOf(in)
	r.consuming[queue] = consuming{cancel, prefetch, ceiling(in), time.Now()}
	r.wg.Go(func() { r.consume(ctx, queue, prefetch) })
}

// consume takes from one queue until its context ends. A queue that is not
// there (yet, or because the broker lost it) is asked for again: the control
// plane declares it.
func (r *Receiver) consume(ctx context.Context, queue string, prefetch int) {
	for wait := 100 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		err := r.broker.Consume(ctx, queue, prefetch, r.in)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, broker.ErrClosed) {
			return
		}
		r.log.Warn("queue cannot be consumed, trying again", "queue", queue, "err", err, "in", wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// ErrNotForUs says that a delivery comes from a queue of no endpoint any more.
var ErrNotForUs = errors.New("no endpoint takes from this queue any more")

// Open reads the call in a delivery and finds its endpoint. On an error the
// delivery is still to be settled.
func (r *Receiver) Open(d *broker.Delivery) (Received, error) {
	r.mu.Lock()
	in, ok := r.endpoints[d.Queue]
	r.messages += (1/float64(1+d.Companions) - r.messages) / 64
	if ok {
		r.adjust(d.Queue, in)
	}
	r.mu.Unlock()
	if !ok {
		return Received{}, ErrNotForUs
	}
	env, err := Decode(d.Body)
	if err != nil {
		return Received{}, err
	}
	ep, now := in.endpoint, time.Now()
	if ep == nil {
		if ep = in.sockets[env.Socket]; ep == nil {
			return Received{}, fmt.Errorf("socket %q: %w", env.Socket, ErrNotHere)
		}
		if overTime(d, ep.Queue, now) {
			return Received{}, ErrOverTime
		}
	}
	return Received{
		Envelope: address(env, ep, d.Queue), Endpoint: ep, Delivery: d, At: now,
		Repeat: d.Redelivered || d.Headers[broker.HeaderRepeat] != "",
	}, nil
}

// address makes the envelope one for this endpoint. On a fanout or topic
// exchange every socket receives the same message: each but the one that was
// named makes a call of its own of it, whose id follows from both.
func address(env model.Envelope, ep *model.Endpoint, queue string) model.Envelope {
	if env.Network == "" {
		env.Network = model.DefaultNetwork
	}
	if env.Socket != ep.Socket.Name {
		if queue == OwnQueue(ep.Socket) && env.Socket != "" {
			return Copy(env, ep.Socket)
		}
		env.Socket = ep.Socket.Name
	}
	return env
}

// Copy is the call that another socket on the same fanout or topic queue makes
// of a call.
func Copy(env model.Envelope, s model.Socket) model.Envelope {
	env.ID = model.DescendID(env.ID, "socket", s.Name)
	env.Socket = s.Name
	return env
}
