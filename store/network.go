package store

import (
	"context"
	"errors"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
)

type networkRow struct {
	ID      string `gorm:"primaryKey"`
	Name    string `gorm:"not null;uniqueIndex:idx_networks_name"`
	Owner   string `gorm:"not null"`
	Created stamp  `gorm:"not null"`
	Updated stamp  `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (networkRow) TableName() string { return "networks" }

func (r networkRow) object() model.Network {
	return model.Network{ID: r.ID, Name: r.Name, Owner: r.Owner, Created: r.Created.time(), Updated: r.Updated.time()}
}

// CreateNetwork makes a network.
func (s *Store) CreateNetwork(ctx context.Context, n model.Network) (model.Network, error) {
	o := newObject(model.Object{ID: n.ID, Name: n.Name, Owner: n.Owner})
	r := networkRow{ID: o.ID, Name: o.Name, Owner: o.Owner, Created: o.Created, Updated: o.Updated}
	if err := s.create(ctx, "network", o, &r); err != nil {
		return model.Network{}, err
	}
	return r.object(), nil
}

// Network returns the named network.
func (s *Store) Network(ctx context.Context, name string) (model.Network, error) {
	var r networkRow
	err := s.read.WithContext(ctx).Where("name = ?", network(name)).Take(&r).Error
	if missingRow(err) {
		err = s.notFound(ctx, "network", "", name)
	}
	if err != nil {
		return model.Network{}, s.fail(ctx, "get network", err)
	}
	return r.object(), nil
}

// Networks lists the networks by name.
func (s *Store) Networks(ctx context.Context, l List) (model.Page[model.Network], error) {
	keys := func(n model.Network) []string { return []string{n.Name} }
	return page[networkRow](ctx, s, s.read, l, keys, "name")
}

// UpdateNetwork changes the owner of the named network.
func (s *Store) UpdateNetwork(ctx context.Context, n model.Network) (model.Network, error) {
	done := s.write.WithContext(ctx).Model(&networkRow{}).Where("name = ?", n.Name).
		Updates(map[string]any{"owner": n.Owner, "updated": stamp(now())})
	err := done.Error
	if err == nil && done.RowsAffected == 0 {
		err = s.notFound(ctx, "network", "", n.Name)
	}
	if err != nil {
		return model.Network{}, s.fail(ctx, "update network", err)
	}
	return s.Network(ctx, n.Name)
}

// DeleteNetwork deletes the named network when it is empty. The default network stays.
func (s *Store) DeleteNetwork(ctx context.Context, name string) error {
	if name == model.DefaultNetwork {
		return &InUse{Kind: "network", Name: name, By: []string{"every object that names no network"}}
	}
	done := s.write.WithContext(ctx).Exec("DELETE FROM networks WHERE name = ?", name)
	err := done.Error
	switch {
	case errors.Is(err, gorm.ErrForeignKeyViolated):
		const where = "network = @name"
		err = s.inUse(ctx, "network", name, name, []user{
			{"queue", where}, {"processor", where}, {"socket", where}, {"plug", where}, {"deployment", where},
		})
	case err == nil && done.RowsAffected == 0:
		err = s.notFound(ctx, "network", "", name)
	}
	return s.fail(ctx, "delete network", err)
}
