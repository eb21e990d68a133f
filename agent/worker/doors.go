package worker

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

// doors are those of a session, by socket.
type doors struct {
	s    *session
	open map[string]*door // used by intake only

	wake chan struct{} // something to look at; see news

	mu     sync.Mutex                     // guards the fields below
	inside map[string]map[string]struct{} // by room: this session's calls that are in
	news   doorNews

	moving sync.Mutex // held while places are renewed or given back; before mu
}

// doorNews is what has happened since intake looked last.
type doorNews struct {
	freed   map[string]bool // rooms in which this session gave a place back
	idle    bool            // a long run has ended
	changed bool            // the endpoints have
}

// door is where the calls of one socket wait. Used by intake only.
type door struct {
	jobs   []*job
	next   time.Time // when to ask again
	full   backoff   // between questions for a place
	room   string    // that it waits for a place in
	busy   bool      // the worker had no time for its calls
	paused bool      // the receiver is, until then:
	until  time.Time
	told   time.Time // when it was told last that calls wait
}

// classMost is how many calls of a class queue may stand at a door: they hold up
// those of other sockets in that queue.
const classMost = 2

// line puts a call where it belongs: one of a high priority before the others,
// behind those of its class.
func (o *door) line(j *job) {
	at := len(o.jobs)
	if j.Envelope.Priority == model.High {
		at = slices.IndexFunc(o.jobs, func(j *job) bool { return j.Envelope.Priority != model.High })
		if at < 0 {
			at = len(o.jobs)
		}
	}
	o.jobs = slices.Insert(o.jobs, at, j)
}

// crowded tells whether no more calls of class queues may stand at the door.
func (o *door) crowded() bool {
	if o == nil {
		return false
	}
	n := 0
	for _, j := range o.jobs {
		if socket.InClass(j.Delivery.Queue) {
			n++
		}
	}
	return o.paused || n >= classMost
}

func newDoors(s *session) *doors {
	return &doors{s: s, open: map[string]*door{}, wake: make(chan struct{}, 1), inside: map[string]map[string]struct{}{}}
}

// entered remembers that a call of this session is in a room.
func (d *doors) entered(room, call string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside[room] == nil {
		d.inside[room] = map[string]struct{}{}
	}
	d.inside[room][call] = struct{}{}
}

// left forgets calls that were in a room, and lets leave tell the limiter, not
// at the same time as renew: that would give them a place again.
func (d *doors) left(room string, calls []string, leave func()) {
	d.moving.Lock()
	defer d.moving.Unlock()
	leave()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range calls {
		delete(d.inside[room], c)
	}
	if len(d.inside[room]) == 0 {
		delete(d.inside, room)
	}
}

// free lets intake know that places were given back by calls that have run.
func (d *doors) free(rooms []string) {
	d.tell(func(n *doorNews) {
		if n.freed == nil {
			n.freed = map[string]bool{}
		}
		for _, r := range rooms {
			n.freed[r] = true
		}
	})
}

// has tells whether a call of this session is in the room.
func (d *doors) has(room string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.inside[room]) > 0
}

// tell leaves news for intake.
func (d *doors) tell(what func(*doorNews)) {
	d.mu.Lock()
	what(&d.news)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *doors) hear() doorNews {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.news
	d.news = doorNews{}
	return n
}

// renew keeps the places of the calls that are in rooms, also in a store that
// has forgotten them.
func (d *doors) renew(ctx context.Context) {
	d.moving.Lock()
	defer d.moving.Unlock()
	d.mu.Lock()
	rooms := make(map[string][]string, len(d.inside))
	for room, calls := range d.inside {
		for c := range maps.Keys(calls) {
			rooms[room] = append(rooms[room], c)
		}
	}
	d.mu.Unlock()
	for room, calls := range rooms {
		if _, err := d.s.w.limiter.Enter(ctx, room, 0, d.s.w.cfg.Lease, calls...); err != nil {
			d.s.w.log.Warn("places cannot be renewed now", "room", room, "err", err)
		}
	}
}

// due is when to look at the doors next; nil: when there is news.
func (d *doors) due() <-chan time.Time {
	var first time.Time
	for _, o := range d.open {
		at := o.next
		switch {
		case o.paused:
			at = o.until
		case len(o.jobs) == 0:
			continue
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	if first.IsZero() {
		return nil
	}
	return time.After(max(time.Until(first), time.Millisecond))
}
