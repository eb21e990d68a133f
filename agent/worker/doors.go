package worker

import (
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
	ill  int              // how many of them are shut because a process died of their calls; used by intake only

	wake chan struct{} // something to look at; see news

	mu       sync.Mutex       // guards the fields below
	seats    map[string]*seat // by room
	awaited  map[string]bool  // rooms whose bells are listened to; true: once more
	news     doorNews
	deserted bool // intake has ended, so places are given back by who leaves last

	moving sync.Mutex // held while places are renewed or given back; before mu

	waiting sync.WaitGroup // for bells
}

// doorNews is what has happened since intake looked last.
type doorNews struct {
	freed   map[string]bool // rooms that a call of this session has left, or anybody who had a place
	idle    bool            // a long run has ended
	changed bool            // the endpoints have
	heard   []chan struct{} // to be closed when calls that no endpoint is for have been given back
}

// door is where the calls of one socket wait. Used by intake only.
type door struct {
	jobs   []*job
	next   time.Time // when to ask again
	full   backoff   // between questions for a place
	room   string    // that it waits for a place in
	since  time.Time // from when on all places were taken; zero: they are not
	away   backoff   // for how long it is paused when they are taken for long
	polite time.Time // until then the place is left to others: it has had its turn
	busy   bool      // the worker had no time for its calls
	paused bool      // the receiver is, until then:
	until  time.Time
	ill    bool      // since a process died of its calls
	told   time.Time // when it was told last that calls wait
}

func newDoor() *door {
	return &door{full: backoff{base: 50 * time.Millisecond, top: time.Second}, away: backoff{base: 2 * time.Second, top: 10 * time.Second}}
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
	return &doors{s: s, open: map[string]*door{}, wake: make(chan struct{}, 1), seats: map[string]*seat{}, awaited: map[string]bool{}}
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
