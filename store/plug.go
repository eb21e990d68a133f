package store

import (
	"context"

	"github.com/elasticcode/flow/model"
)

type plugRow struct {
	Object   object  `gorm:"embedded"`
	Type     string  `gorm:"not null"`
	Source   string  `gorm:"not null"`
	Target   string  `gorm:"not null"`
	Argument string  `gorm:"not null"`
	Queue    *string // null: none of its own
}

// TableName implements gorm's Tabler.
func (plugRow) TableName() string { return "plugs" }

func (r plugRow) object() model.Plug {
	p := model.Plug{
		Object: r.Object.model(), Type: model.PlugType(r.Type),
		Source: r.Source, Target: r.Target, Argument: r.Argument,
	}
	if r.Queue != nil {
		p.Queue = *r.Queue
	}
	return p
}

// CreatePlug makes a plug between two sockets that exist.
func (s *Store) CreatePlug(ctx context.Context, p model.Plug) (model.Plug, error) {
	r := plugRow{
		Object: newObject(p.Object), Type: string(p.Type),
		Source: p.Source, Target: p.Target, Argument: p.Argument, Queue: optional(p.Queue),
	}
	if err := s.create(ctx, "plug", r.Object, &r, plugRefs(p)...); err != nil {
		return model.Plug{}, err
	}
	return r.object(), nil
}

func plugRefs(p model.Plug) []ref {
	return []ref{{"socket", p.Source}, {"socket", p.Target}, {"queue", p.Queue}}
}

func optional(name string) *string {
	if name == "" {
		return nil
	}
	return &name
}

// Plug returns the named plug.
func (s *Store) Plug(ctx context.Context, network, name string) (model.Plug, error) {
	return find[plugRow](ctx, s, "plug", network, name)
}

// Plugs lists the plugs of a network; an empty name lists those of all.
func (s *Store) Plugs(ctx context.Context, network string, l List) (model.Page[model.Plug], error) {
	return named[plugRow](ctx, s, network, l, func(p model.Plug) model.Object { return p.Object })
}

// UpdatePlug writes everything a person may change of the named plug.
func (s *Store) UpdatePlug(ctx context.Context, p model.Plug) (model.Plug, error) {
	return update[plugRow, model.Plug](ctx, s, "plug", p.Object, map[string]any{
		"type": string(p.Type), "source": p.Source, "target": p.Target,
		"argument": p.Argument, "queue": optional(p.Queue),
	}, plugRefs(p)...)
}

// DeletePlug deletes the named plug.
func (s *Store) DeletePlug(ctx context.Context, network, name string) error {
	return s.remove(ctx, "plug", network, name)
}
