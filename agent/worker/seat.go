package worker

import (
	"context"
	"time"

	"github.com/elasticcode/flow/model"
)

// seat is this session's place in a room. All of its calls of that room share it,
// as they run one after the other, and the next one need not ask anybody.
//
//	taken ──► passes calls ──► turn is over ──► its last call ended ──► left, and the bell rings
//	             └── nobody is at the door, and its last call ended ──────┘
//
// Who waits at a door is woken by the bell and asks. So a place goes round among
// the workers that wait for it; those that wait in vain for long leave their calls
// to the others.
type seat struct {
	calls int       // that have a pass and have not ended
	began time.Time // the turn
	sure  time.Time // when the limiter last said that it is ours
}

const (
	// turn is how long a worker passes calls without asking for its place again.
	turn = 300 * time.Millisecond
	// courtesy is for how long it then leaves the place to others.
	courtesy = 5 * time.Millisecond
	// hopeless is how long calls wait for a place before they go back for others.
	hopeless = 2 * time.Second
)

// sit returns how many of n calls can have a pass by this session's place in a
// room, which it gets if need be. Used by intake only.
func (s *session) sit(ctx context.Context, e *model.Endpoint, room string, n int) (int, error) {
	d, now := s.doors, time.Now()
	d.mu.Lock()
	var st seat
	have := d.seats[room] != nil
	if have {
		st = *d.seats[room]
	}
	d.mu.Unlock()
	n = min(n, s.atOnce(e)-st.calls)
	switch {
	case n <= 0, have && now.Sub(st.began) > turn:
		return 0, nil
	case have && now.Sub(st.sure) < s.w.cfg.Lease/2:
		return n, nil
	}
	in, err := s.knock(ctx, room, e.Socket.MaxRunning)
	if err != nil || !in {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seats[room] == nil {
		d.seats[room] = &seat{began: now}
	}
	d.seats[room].sure = now
	return n, nil
}

// knock asks for a place. Those that an earlier life of this node has left behind
// are free: nobody comes back to them.
func (s *session) knock(ctx context.Context, room string, limit int) (bool, error) {
	in, err := s.w.limiter.Enter(ctx, room, limit, s.w.cfg.Lease, s.w.holder)
	if err != nil || in[0] {
		return err == nil, err
	}
	var left []string
	for holder, rooms := range s.orphans {
		if !rooms[room] {
			rooms[room] = true
			left = append(left, holder)
		}
	}
	if len(left) == 0 {
		return false, nil
	}
	if err := s.w.limiter.Leave(ctx, room, left...); err != nil {
		return false, err
	}
	in, err = s.w.limiter.Enter(ctx, room, limit, s.w.cfg.Lease, s.w.holder)
	return err == nil && in[0], err
}

// orphan remembers an earlier life of this node, which held a call.
func (s *session) orphan(holder string) {
	if s.orphans[holder] == nil {
		s.orphans[holder] = map[string]bool{}
	}
}

// atOnce is how many calls of an endpoint have a pass at the same time: so many
// that the process has the next ones while the last ones are settled, and one when
// they take long.
func (s *session) atOnce(e *model.Endpoint) int {
	each := s.pace.expect(e.Socket.Task)
	if each >= ahead {
		return 1
	}
	return min(int(2*ahead/max(each, time.Microsecond)), batchSize)
}

// passed counts calls that have a pass by the place in a room.
func (d *doors) passed(room string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seats[room] == nil {
		d.seats[room] = &seat{began: time.Now()} // it is entered with the next renewal
	}
	d.seats[room].calls += n
}

// ended counts calls that have left a room.
func (d *doors) ended(room string, n int) {
	d.mu.Lock()
	if st := d.seats[room]; st != nil {
		st.calls -= n
	}
	deserted := d.deserted
	d.mu.Unlock()
	if deserted {
		d.vacate(room)
		return
	}
	d.tell(func(n *doorNews) { n.free(room) })
}

// has tells whether calls of this session are in the room.
func (d *doors) has(room string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seats[room] != nil && d.seats[room].calls > 0
}

// had tells whether this session has a place in the room that no call uses.
func (d *doors) had(room string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seats[room] != nil && d.seats[room].calls <= 0
}

// vacate gives the place in a room back if no call needs it, not at the same time
// as renew: that would take it again. What cannot be given back now ends with its
// lease.
func (d *doors) vacate(room string) {
	d.moving.Lock()
	defer d.moving.Unlock()
	d.mu.Lock()
	st := d.seats[room]
	if st == nil || st.calls > 0 {
		d.mu.Unlock()
		return
	}
	delete(d.seats, room)
	d.mu.Unlock()
	ctx, cancel := d.s.within(2 * time.Second)
	defer cancel()
	if err := d.s.w.limiter.Leave(ctx, room, d.s.w.holder); err != nil {
		d.s.w.log.Debug("a place is left to end by itself", "room", room, "err", err)
	}
}

// vacateAll gives all places back that no call needs.
func (d *doors) vacateAll() {
	d.mu.Lock()
	var idle []string
	for room, st := range d.seats {
		if st.calls <= 0 {
			idle = append(idle, room)
		}
	}
	d.mu.Unlock()
	for _, room := range idle {
		d.vacate(room)
	}
}

// desert is what intake does last.
func (d *doors) desert() {
	d.mu.Lock()
	d.deserted = true
	d.mu.Unlock()
	d.vacateAll()
	d.waiting.Wait()
}

// renew keeps the places of this session, also in a store that has forgotten them.
func (d *doors) renew(ctx context.Context) {
	d.moving.Lock()
	defer d.moving.Unlock()
	d.mu.Lock()
	var rooms []string
	for room := range d.seats {
		rooms = append(rooms, room)
	}
	d.mu.Unlock()
	for _, room := range rooms {
		now := time.Now()
		if _, err := d.s.w.limiter.Enter(ctx, room, 0, d.s.w.cfg.Lease, d.s.w.holder); err != nil {
			d.s.w.log.Warn("a place cannot be renewed now", "room", room, "err", err)
			continue
		}
		d.mu.Lock()
		if st := d.seats[room]; st != nil {
			st.sure = now
		}
		d.mu.Unlock()
	}
}

// listen lets intake know when somebody leaves the room, until taking ends or a
// while has passed. It goes on in case intake asks in vain and listens again.
func (d *doors) listen(taking context.Context, room string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, under := d.awaited[room]
	d.awaited[room] = true
	if under {
		return
	}
	d.waiting.Go(func() {
		for d.wanted(room) {
			ctx, cancel := context.WithTimeout(taking, hopeless)
			err := d.s.w.limiter.Await(ctx, room)
			cancel()
			if err != nil {
				d.mu.Lock()
				delete(d.awaited, room)
				d.mu.Unlock()
				return
			}
			d.tell(func(n *doorNews) { n.free(room) })
		}
	})
}

// wanted tells whether somebody has listened since it was called last.
func (d *doors) wanted(room string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.awaited[room] {
		delete(d.awaited, room)
		return false
	}
	d.awaited[room] = false
	return true
}

func (n *doorNews) free(room string) {
	if n.freed == nil {
		n.freed = map[string]bool{}
	}
	n.freed[room] = true
}
