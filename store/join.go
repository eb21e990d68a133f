package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
)

// Arrival is a value for one argument of a socket's function.
type Arrival struct {
	ID       string // the same arrival twice is once
	Network  string
	Socket   string
	Policy   model.JoinPolicy
	Needs    []string // the arguments that must be there, in the function's order
	Argument string   // the one that this value is for
	Value    json.RawMessage
	// Refs are the large values in Value ("" is all of it, "/args/0" a part), where there is null.
	Refs     []model.Ref
	Tracking string
	// Parent is the call that the value is the output of; empty when the
	// arrival itself is the call.
	Parent   string
	Origin   string
	Priority model.Priority // empty: normal
	Created  time.Time
}

// Fired is a join whose arguments have met: a call that is to be made.
type Fired struct {
	ID       string // of the call; it follows from what met
	Network  string
	Socket   string
	Tracking string                     // of the first argument
	Origin   string                     // of the first argument
	Priority model.Priority             // the highest of those of the arguments that came new
	Values   map[string]json.RawMessage // by argument
	Refs     []model.Ref                // the large ones among them, at "/ARGUMENT"
	Arrivals []string                   // their ids, in the order of the arguments
	Parents  []string                   // of the call
	Created  time.Time
}

// Join is arguments that wait for others.
type Join struct {
	Network  string
	Socket   string
	Policy   model.JoinPolicy
	Tracking string            // of the oldest arrival
	Have     map[string]string // argument → arrival's id
	Missing  []string          // arguments
	Since    time.Time         // when the oldest arrival was made
}

// arrivalRow is an arrival. While settled is null it may meet others. Settled
// with a value it has expired and waits to be forgotten; settled without one it
// is only remembered, so that a repeat of it is recognised.
type arrivalRow struct {
	Seq      int64    `gorm:"primaryKey;autoIncrement;index:idx_join_arrivals_open,priority:4;index:idx_join_arrivals_refs,where:refs IS NOT NULL"`
	ID       string   `gorm:"not null;uniqueIndex:idx_join_arrivals_id"`
	Network  string   `gorm:"not null;index:idx_join_arrivals_open,priority:1,where:settled IS NULL"`
	Socket   string   `gorm:"not null;index:idx_join_arrivals_open,priority:2"`
	Policy   string   `gorm:"not null"`
	Needs    document `gorm:"not null"`
	Argument string   `gorm:"not null;index:idx_join_arrivals_open,priority:3"`
	Value    document
	Refs     document
	Tracking string `gorm:"not null"`
	Parent   string `gorm:"not null"`
	Origin   string `gorm:"not null"`
	Priority string `gorm:"not null"`
	Created  stamp  `gorm:"not null"`
	Used     bool   `gorm:"not null"` // policy latest: it has met others, and stays
	Settled  *stamp `gorm:"index:idx_join_arrivals_settled,where:settled IS NOT NULL"`
}

// TableName implements gorm's Tabler.
func (arrivalRow) TableName() string { return "join_arrivals" }

func (r arrivalRow) arrival() (Arrival, error) {
	a := Arrival{
		ID: r.ID, Network: r.Network, Socket: r.Socket, Policy: model.JoinPolicy(r.Policy), Argument: r.Argument,
		Value: json.RawMessage(r.Value), Tracking: r.Tracking, Parent: r.Parent, Origin: r.Origin, Priority: model.Priority(r.Priority), Created: r.Created.time(),
	}
	if err := decode(r.Refs, &a.Refs); err != nil {
		return a, err
	}
	return a, decode(r.Needs, &a.Needs)
}

// firedRow is the outbox: a call that is to be made.
type firedRow struct {
	ID       string   `gorm:"primaryKey"`
	Network  string   `gorm:"not null"`
	Socket   string   `gorm:"not null"`
	Tracking string   `gorm:"not null"`
	Origin   string   `gorm:"not null"`
	Priority string   `gorm:"not null"`
	Values   document `gorm:"column:argument_values;not null"`
	Refs     document
	Arrivals document `gorm:"not null"`
	Parents  document `gorm:"not null"`
	Created  stamp    `gorm:"not null;index:idx_join_fired_created"`
}

// TableName implements gorm's Tabler.
func (firedRow) TableName() string { return "join_fired" }

func (r firedRow) fired() (Fired, error) {
	f := Fired{
		ID: r.ID, Network: r.Network, Socket: r.Socket, Tracking: r.Tracking, Origin: r.Origin,
		Priority: model.Priority(r.Priority), Created: r.Created.time(),
	}
	for _, part := range []struct {
		from document
		to   any
	}{{r.Values, &f.Values}, {r.Refs, &f.Refs}, {r.Arrivals, &f.Arrivals}, {r.Parents, &f.Parents}} {
		if err := decode(part.from, part.to); err != nil {
			return f, err
		}
	}
	return f, nil
}

// Arrive keeps arrivals and fires the joins that they complete, in one
// transaction: arrivals, fired joins and the outbox that PendingFired reads. An
// arrival that was here before changes nothing. Arrivals that can never be kept
// are left out and named by an *Unfit; the others were kept then.
func (s *Store) Arrive(ctx context.Context, arrivals []Arrival) ([]Fired, error) {
	groups, unfit := groupArrivals(arrivals)
	sockets := slices.SortedFunc(maps.Keys(groups), compareSockets)
	var fired []Fired
	err := s.tx(ctx, "keep arrivals", func(tx *gorm.DB) error {
		fired = nil
		var keys []string
		for _, k := range sockets {
			keys = append(keys, "join/"+k.network+"/"+k.socket)
		}
		if err := s.lock(ctx, tx, keys...); err != nil {
			return err
		}
		for _, k := range sockets {
			here, err := standing(tx, groups[k])
			if err != nil {
				return err
			}
			if len(here) == 0 {
				continue
			}
			f, err := arriveAt(tx, here)
			if err != nil {
				return err
			}
			fired = append(fired, f...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(unfit) > 0 {
		return fired, &Unfit{Reasons: unfit}
	}
	return fired, nil
}

// lock makes the transaction the only one that holds the keys, until it ends.
func (s *Store) lock(ctx context.Context, tx *gorm.DB, keys ...string) error {
	slices.Sort(keys) // everybody locks in one order, so that nobody waits in a circle
	return s.driver.Lock(ctx, tx.Statement.ConnPool, keys)
}

type socketKey struct{ network, socket string }

func compareSockets(a, b socketKey) int {
	return slices.Compare([]string{a.network, a.socket}, []string{b.network, b.socket})
}

func groupArrivals(arrivals []Arrival) (map[socketKey][]Arrival, map[int]string) {
	groups, unfit := map[socketKey][]Arrival{}, map[int]string{}
	for i, a := range arrivals {
		a.Network = network(a.Network)
		if why := unfitArrival(a); why != "" {
			unfit[i] = why
			continue
		}
		k := socketKey{a.Network, a.Socket}
		groups[k] = append(groups[k], a)
	}
	return groups, unfit
}

func unfitArrival(a Arrival) string {
	for _, k := range append([]string{a.ID, a.Network, a.Socket, a.Tracking, a.Argument, a.Parent}, a.Needs...) {
		if why := unfitKey(k); why != "" {
			return fmt.Sprintf("arrival %.40q: %s", a.ID, why)
		}
	}
	switch {
	case a.ID == "" || a.Socket == "":
		return "an arrival needs an id and a socket"
	case !slices.Contains(a.Needs, a.Argument):
		return fmt.Sprintf("arrival %s is for argument %q, and socket %s waits for %q", a.ID, a.Argument, a.Socket, a.Needs)
	case !json.Valid(a.Value):
		return fmt.Sprintf("arrival %s brings no JSON value", a.ID)
	}
	return ""
}

// arriveAt keeps the new ones of the arrivals at one socket and fires what they
// complete. The caller holds the socket's lock.
func arriveAt(tx *gorm.DB, arrivals []Arrival) ([]Fired, error) {
	rows, err := insertArrivals(tx, arrivals)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	last := arrivals[len(arrivals)-1] // the newest knows the socket and its function best
	var m meeting
	switch last.Policy {
	case model.JoinLatest:
		m, err = meetLatest(tx, last, rows)
	case model.JoinRun:
		m, err = meetInRuns(tx, last, rows)
	default:
		m, err = meetZip(tx, last, len(rows))
	}
	if err != nil {
		return nil, err
	}
	return fire(tx, last, m)
}

// insertArrivals inserts those that are new, in their order, and returns them.
func insertArrivals(tx *gorm.DB, arrivals []Arrival) ([]arrivalRow, error) {
	ids := make([]string, len(arrivals))
	for i, a := range arrivals {
		ids[i] = a.ID
	}
	var known []string
	if err := tx.Model(&arrivalRow{}).Where("id IN ?", ids).Pluck("id", &known).Error; err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(known))
	for _, id := range known {
		seen[id] = true
	}
	var rows []arrivalRow
	for _, a := range arrivals {
		if seen[a.ID] {
			continue
		}
		seen[a.ID] = true
		if a.Created.IsZero() {
			a.Created = now()
		}
		rows = append(rows, arrivalRow{
			ID: a.ID, Network: a.Network, Socket: a.Socket, Policy: string(a.Policy), Needs: encodeList(a.Needs),
			Argument: a.Argument, Value: present(a.Value), Refs: encodeList(a.Refs), Tracking: a.Tracking, Parent: a.Parent,
			Origin: clean(a.Origin), Priority: string(a.Priority.Brief()), Created: stamp(a.Created),
		})
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return rows, tx.CreateInBatches(&rows, 200).Error
}
