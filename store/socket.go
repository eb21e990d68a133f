package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/elasticcode/flow/model"
)

type socketRow struct {
	ID           string `gorm:"primaryKey"`
	Network      string `gorm:"not null;uniqueIndex:idx_sockets_name,priority:1;uniqueIndex:idx_sockets_address,priority:1"`
	Name         string `gorm:"not null;uniqueIndex:idx_sockets_name,priority:2"`
	Owner        string `gorm:"not null"`
	Created      stamp  `gorm:"not null"`
	Updated      stamp  `gorm:"not null"`
	Processor    string `gorm:"not null;uniqueIndex:idx_sockets_address,priority:2"`
	Queue        string `gorm:"not null;uniqueIndex:idx_sockets_address,priority:3"`
	Task         string `gorm:"not null;uniqueIndex:idx_sockets_address,priority:4"`
	MaxAttempts  int    `gorm:"not null"`
	BackoffMS    int64  `gorm:"column:backoff_ms;not null"`
	BackoffMaxMS int64  `gorm:"column:backoff_max_ms;not null"`
	TimeoutMS    int64  `gorm:"column:timeout_ms;not null"`
	JoinPolicy   string `gorm:"not null"`

	Rate           string `gorm:"not null"`
	Burst          int    `gorm:"not null"`
	MaxRunning     int    `gorm:"not null"`
	QueueTimeoutMS int64  `gorm:"column:queue_timeout_ms;not null"`
}

// TableName implements gorm's Tabler.
func (socketRow) TableName() string { return "sockets" }

func (r socketRow) object() model.Socket {
	o := object{ID: r.ID, Network: r.Network, Name: r.Name, Owner: r.Owner, Created: r.Created, Updated: r.Updated}
	return model.Socket{
		Object: o.model(), Processor: r.Processor, Queue: r.Queue, Task: r.Task,
		MaxAttempts: r.MaxAttempts, BackoffMS: r.BackoffMS, BackoffMaxMS: r.BackoffMaxMS,
		TimeoutMS: r.TimeoutMS, Join: model.JoinPolicy(r.JoinPolicy),
		Limit: model.Limit{Rate: model.Rate(r.Rate), Burst: r.Burst}, MaxRunning: r.MaxRunning, QueueTimeoutMS: r.QueueTimeoutMS,
	}
}

// CreateSocket makes a socket. Its processor and queue must exist, and no other
// socket of the network may bind the same task of the processor to the queue.
func (s *Store) CreateSocket(ctx context.Context, m model.Socket) (model.Socket, error) {
	o := newObject(m.Object)
	r := socketRow{
		ID: o.ID, Network: o.Network, Name: o.Name, Owner: o.Owner, Created: o.Created, Updated: o.Updated,
		Processor: m.Processor, Queue: m.Queue, Task: m.Task,
		MaxAttempts: m.MaxAttempts, BackoffMS: m.BackoffMS, BackoffMaxMS: m.BackoffMaxMS,
		TimeoutMS: m.TimeoutMS, JoinPolicy: string(m.Join),
		Rate: string(m.Rate), Burst: m.Burst, MaxRunning: m.MaxRunning, QueueTimeoutMS: m.QueueTimeoutMS,
	}
	err := s.create(ctx, "socket", o, &r, socketRefs(m)...)
	if err != nil {
		return model.Socket{}, s.sameAddress(ctx, m, err)
	}
	return r.object(), nil
}

func socketRefs(m model.Socket) []ref {
	return []ref{{"processor", m.Processor}, {"queue", m.Queue}}
}

// sameAddress says which socket has the address of m already, when that is why err came up.
func (s *Store) sameAddress(ctx context.Context, m model.Socket, err error) error {
	if !errors.Is(err, ErrExists) {
		return err
	}
	name, e := s.SocketAt(ctx, m)
	if e != nil || name == "" {
		return err
	}
	why := fmt.Sprintf("it binds task %s of processor %s to queue %s", m.Task, m.Processor, m.Queue)
	return &Exists{Kind: "socket", Name: name, Why: why}
}

// SocketAt returns the name of another socket than m that has the address of m:
// the same function of the same processor on the same queue; empty when none has.
func (s *Store) SocketAt(ctx context.Context, m model.Socket) (string, error) {
	var names []string
	err := s.read.WithContext(ctx).Model(&socketRow{}).
		Where("network = ? AND processor = ? AND queue = ? AND task = ? AND name <> ?", network(m.Network), m.Processor, m.Queue, m.Task, m.Name).
		Pluck("name", &names).Error
	if err != nil || len(names) == 0 {
		return "", s.fail(ctx, "look for sockets of one address", err)
	}
	return names[0], nil
}

// Socket returns the named socket.
func (s *Store) Socket(ctx context.Context, network, name string) (model.Socket, error) {
	return find[socketRow](ctx, s, "socket", network, name)
}

// socketsAtOnce is how many names one statement asks for.
const socketsAtOnce = 64

// SocketsNamed returns those of the named sockets of a network that there are.
func (s *Store) SocketsNamed(ctx context.Context, net string, names []string) ([]model.Socket, error) {
	var out []model.Socket
	for part := range slices.Chunk(names, socketsAtOnce) {
		// The last name stands in for what is missing, so that the database has the
		// same statement for any number of them.
		for part = slices.Clone(part); len(part) < socketsAtOnce; {
			part = append(part, part[len(part)-1])
		}
		found, err := all[socketRow, model.Socket](ctx, s, s.read.Where("network = ? AND name IN ?", network(net), part), "name")
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// Sockets lists the sockets of a network; an empty name lists those of all.
func (s *Store) Sockets(ctx context.Context, network string, l List) (model.Page[model.Socket], error) {
	return named[socketRow](ctx, s, network, l, func(m model.Socket) model.Object { return m.Object })
}

// UpdateSocket writes everything a person may change of the named socket.
func (s *Store) UpdateSocket(ctx context.Context, m model.Socket) (model.Socket, error) {
	out, err := update[socketRow, model.Socket](ctx, s, "socket", m.Object, map[string]any{
		"processor": m.Processor, "queue": m.Queue, "task": m.Task,
		"max_attempts": m.MaxAttempts, "backoff_ms": m.BackoffMS, "backoff_max_ms": m.BackoffMaxMS,
		"timeout_ms": m.TimeoutMS, "join_policy": string(m.Join),
		"rate": string(m.Rate), "burst": m.Burst, "max_running": m.MaxRunning, "queue_timeout_ms": m.QueueTimeoutMS,
	}, socketRefs(m)...)
	return out, s.sameAddress(ctx, m, err)
}

// DeleteSocket deletes the named socket unless plugs begin or end there.
// Arguments that wait there for others stay until they expire; values that were
// kept to meet later ones go.
func (s *Store) DeleteSocket(ctx context.Context, net, name string) error {
	err := s.remove(ctx, "socket", net, name,
		user{"plug", "network = @network AND (source = @name OR target = @name)"})
	if err != nil {
		return err
	}
	err = s.write.WithContext(ctx).Model(&arrivalRow{}).
		Where("network = ? AND socket = ? AND settled IS NULL AND used", network(net), name).
		UpdateColumns(map[string]any{"settled": stamp(now()), "value": nil}).Error
	return s.fail(ctx, "forget what the socket kept", err)
}
