package rescuer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/store"
)

// round is one look at all that is under way.
type round struct {
	*Rescuer
	now      time.Time
	room     int // how many more calls are looked at
	networks map[string]*network
	waits    map[string]bool // whether messages wait in a queue, of those that were inspected
}

// look goes once through all that is under way.
func (r *Rescuer) look(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	// While something is away nothing happens to calls, and that it is back takes them a
	// moment to notice: what was remembered before counts no more.
	old := r.watch
	r.watch = map[place]map[string]mark{}
	groups, err := r.cfg.History.Underway(ctx, now.Add(-young))
	if err != nil {
		return err
	}
	l := &round{Rescuer: r, now: now, room: watched, networks: map[string]*network{}, waits: map[string]bool{}}
	// The history is behind the calls by what waits to be recorded.
	behind, err := l.waiting(ctx, socket.Records)
	if err == nil && behind {
		r.watch = old
	}
	if err != nil || behind {
		return err
	}
	var errs []error
	for _, g := range groups {
		at := place{g.Network, g.Socket}
		marks, err := l.visit(ctx, g, old[at])
		if err != nil {
			errs = append(errs, fmt.Errorf("socket %q: %w", at.socket, err))
		} else if marks == nil {
			marks = old[at]
		}
		if len(marks) > 0 {
			r.watch[at] = marks
		}
	}
	return errors.Join(errs...)
}

// visit looks at the calls of one socket, and sends those again that are lost. It
// returns what is remembered of them, nil when it could not be found out.
func (l *round) visit(ctx context.Context, g store.Underway, known map[string]mark) (map[string]mark, error) {
	n, err := l.network(ctx, g.Network)
	if err != nil || l.room <= 0 {
		return nil, err
	}
	if e, ok := n.sockets[g.Socket]; ok { // a backlog is not gone through
		if waits, err := l.waiting(ctx, socket.Queues(e)...); err != nil || waits {
			return nil, err
		}
	}
	marks, lost, err := l.survey(ctx, n, g, known)
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(lost, atOnce) {
		sent, err := l.rescue(ctx, n, part, l.now)
		for _, id := range part {
			m := marks[id]
			m.since = l.now
			if sent[id] {
				m.sent++
			}
			marks[id] = m
		}
		if err != nil {
			return marks, err
		}
	}
	return marks, nil
}

// survey goes through the calls of a socket. It returns what is remembered of them from
// now on, and which are lost.
func (l *round) survey(ctx context.Context, n *network, g store.Underway, known map[string]mark) (marks map[string]mark, lost []string, err error) {
	marks = map[string]mark{}
	for after := ""; l.room > 0; l.room -= atOnce {
		calls, err := l.cfg.History.UnderwayOf(ctx, g.Network, g.Socket, l.now.Add(-young), after, atOnce)
		if err != nil {
			return nil, nil, err
		}
		if len(calls) == 0 {
			break
		}
		for _, c := range calls {
			waits, err := l.waiting(ctx, n.queues(c)...)
			if err != nil {
				return nil, nil, err
			}
			m, old := known[c.ID]
			switch old = old && m.state == c.State && m.attempt == c.Attempt; {
			case old && !waits && l.now.Sub(m.since) >= m.patience():
				lost = append(lost, c.ID)
			case !old && waits: // it may be one of those
				continue
			case !old:
				m = mark{state: c.State, attempt: c.Attempt, since: l.now}
			}
			marks[c.ID] = m
		}
		after = calls[len(calls)-1].ID
	}
	return marks, lost, nil
}

// patience is for how long nothing is to happen before the call counts as lost.
func (m mark) patience() time.Duration { return min(patience<<min(m.sent, 10), mostPatience) }

// waiting tells whether messages wait in one of the queues, which is asked once in a round.
func (l *round) waiting(ctx context.Context, queues ...string) (bool, error) {
	unknown := slices.DeleteFunc(slices.Clone(queues), func(q string) bool { _, ok := l.waits[q]; return ok })
	if len(unknown) > 0 {
		stats, err := l.cfg.Queues.Inspect(ctx, unknown...)
		if err != nil {
			return false, err
		}
		for i, s := range stats {
			l.waits[unknown[i]] = s.Messages > 0
		}
	}
	return slices.ContainsFunc(queues, func(q string) bool { return l.waits[q] }), nil
}

// network is where calls of a network go.
type network struct {
	name      string
	sockets   map[string]model.Endpoint
	functions map[string][]model.Endpoint // by module and name
}

func (l *round) network(ctx context.Context, name string) (*network, error) {
	if n := l.networks[name]; n != nil {
		return n, nil
	}
	endpoints, err := l.cfg.History.Endpoints(ctx, name)
	if err != nil {
		return nil, err
	}
	n := &network{name: name, sockets: make(map[string]model.Endpoint, len(endpoints)), functions: map[string][]model.Endpoint{}}
	for _, e := range endpoints {
		function := e.Module + "." + e.Socket.Task
		n.sockets[e.Socket.Name], n.functions[function] = e, append(n.functions[function], e)
	}
	l.networks[name] = n
	return n, nil
}

// runs lists the endpoints that may run the call.
func (n *network) runs(c model.Call) []model.Endpoint {
	if c.Socket == "" {
		return n.functions[c.Module+"."+c.Task]
	}
	if e, ok := n.sockets[c.Socket]; ok {
		return []model.Endpoint{e}
	}
	return nil
}

// queues lists all queues that a message of the call could be in.
func (n *network) queues(c model.Call) []string {
	var out []string
	if c.Argument != "" {
		out = append(out, socket.Joins)
	}
	for _, e := range n.runs(c) {
		out = append(out, socket.Queues(e)...)
		if class, ok := socket.Class(e.Socket, c.Priority); ok {
			out = append(out, class.Key)
		}
	}
	return out
}

// address is where the call is sent; false when its socket is gone, and the canceller
// ends it.
func (n *network) address(c model.Call) (socket.Address, bool) {
	to := n.runs(c)
	switch {
	case len(to) == 0:
		return socket.Address{}, false
	case c.Argument != "":
		return socket.Join(), true
	case c.Socket == "":
		return socket.Shared(n.name, c.Module, c.Task), true
	}
	return socket.Direct(to[0].Socket, c.Priority), true
}
