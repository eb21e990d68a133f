package store

import (
	"context"

	"github.com/elasticcode/flow/model"
)

type queueRow struct {
	Object       object `gorm:"embedded"`
	Type         string `gorm:"not null"`
	MessageTTLMS int64  `gorm:"column:message_ttl_ms;not null"`
	MaxMessages  int64  `gorm:"not null"`
	MaxBytes     int64  `gorm:"not null"`
	ExpiresMS    int64  `gorm:"column:expires_ms;not null"`
}

// TableName implements gorm's Tabler.
func (queueRow) TableName() string { return "queues" }

func (r queueRow) object() model.Queue {
	return model.Queue{
		Object: r.Object.model(), Type: model.QueueType(r.Type), MessageTTLMS: r.MessageTTLMS,
		MaxMessages: r.MaxMessages, MaxBytes: r.MaxBytes, ExpiresMS: r.ExpiresMS,
	}
}

// CreateQueue makes a queue.
func (s *Store) CreateQueue(ctx context.Context, q model.Queue) (model.Queue, error) {
	r := queueRow{
		Object: newObject(q.Object), Type: string(q.Type), MessageTTLMS: q.MessageTTLMS,
		MaxMessages: q.MaxMessages, MaxBytes: q.MaxBytes, ExpiresMS: q.ExpiresMS,
	}
	if err := s.create(ctx, "queue", r.Object, &r); err != nil {
		return model.Queue{}, err
	}
	return r.object(), nil
}

// Queue returns the named queue.
func (s *Store) Queue(ctx context.Context, network, name string) (model.Queue, error) {
	return find[queueRow](ctx, s, "queue", network, name)
}

// Queues lists the queues of a network; an empty name lists those of all.
func (s *Store) Queues(ctx context.Context, network string, l List) (model.Page[model.Queue], error) {
	return named[queueRow](ctx, s, network, l, func(q model.Queue) model.Object { return q.Object })
}

// UpdateQueue writes the type and limits of the named queue.
func (s *Store) UpdateQueue(ctx context.Context, q model.Queue) (model.Queue, error) {
	return update[queueRow, model.Queue](ctx, s, "queue", q.Object, map[string]any{
		"type": string(q.Type), "message_ttl_ms": q.MessageTTLMS,
		"max_messages": q.MaxMessages, "max_bytes": q.MaxBytes, "expires_ms": q.ExpiresMS,
	})
}

// DeleteQueue deletes the named queue unless sockets or plugs use it.
func (s *Store) DeleteQueue(ctx context.Context, network, name string) error {
	const where = "network = @network AND queue = @name"
	return s.remove(ctx, "queue", network, name, user{"socket", where}, user{"plug", where})
}
