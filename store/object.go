package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
)

// object is the columns that every declared thing has.
type object struct {
	ID      string `gorm:"primaryKey"`
	Network string `gorm:"not null;uniqueIndex:,composite:name,priority:1"`
	Name    string `gorm:"not null;uniqueIndex:,composite:name,priority:2"`
	Owner   string `gorm:"not null"`
	Created stamp  `gorm:"not null"`
	Updated stamp  `gorm:"not null"`
}

func (o object) model() model.Object {
	return model.Object{
		ID: o.ID, Network: o.Network, Name: o.Name, Owner: o.Owner,
		Created: o.Created.time(), Updated: o.Updated.time(),
	}
}

// newObject returns the columns of an object that is made now.
func newObject(m model.Object) object {
	if m.ID == "" {
		m.ID = model.NewID()
	}
	t := stamp(now())
	return object{ID: m.ID, Network: network(m.Network), Name: m.Name, Owner: m.Owner, Created: t, Updated: t}
}

func network(name string) string {
	if name == "" {
		return model.DefaultNetwork
	}
	return name
}

// row is a row of a table that stands for an M.
type row[M any] interface {
	TableName() string
	object() M
}

// The names of the tables by the kind of what is in them.
var tables = map[string]string{
	"network": "networks", "queue": "queues", "processor": "processors", "socket": "sockets",
	"plug": "plugs", "deployment": "deployments", "node": "nodes", "agent": "agents", "user": "users",
}

// ref is a name that one object gives of another.
type ref struct{ kind, name string }

// find returns the named object, or a *NotFound with close names.
func find[R row[M], M any](ctx context.Context, s *Store, kind, net, name string) (M, error) {
	var (
		r    R
		none M
	)
	err := s.read.WithContext(ctx).Where("network = ? AND name = ?", network(net), name).Take(&r).Error
	if missingRow(err) {
		err = s.notFound(ctx, kind, network(net), name)
	}
	if err != nil {
		return none, s.fail(ctx, "get "+kind, err)
	}
	return r.object(), nil
}

// notFound returns the error for a name that is not there.
func (s *Store) notFound(ctx context.Context, kind, net, name string) error {
	const manyNames = 5000 // more would not be read by eye either
	q := s.read.WithContext(ctx).Table(tables[kind]).Limit(manyNames)
	if kind != "network" && kind != "user" && net != "" {
		q = q.Where("network = ?", net)
	}
	var names []string
	if err := q.Pluck("name", &names).Error; err != nil {
		return fmt.Errorf("look for names close to %q: %w", name, err)
	}
	return &NotFound{Kind: kind, Name: name, Suggestions: closest(name, names)}
}

// create inserts r, and explains what is in its way: a name that is taken, or
// one of refs that does not exist.
func (s *Store) create(ctx context.Context, kind string, o object, r any, refs ...ref) error {
	err := s.write.WithContext(ctx).Create(r).Error
	if kind != "network" {
		refs = append([]ref{{"network", o.Network}}, refs...)
	}
	return s.fail(ctx, "create "+kind, s.explain(ctx, err, kind, o, refs))
}

// explain turns a broken constraint into the error a person can act on.
func (s *Store) explain(ctx context.Context, err error, kind string, o object, refs []ref) error {
	switch {
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return &Exists{Kind: kind, Name: o.Name}
	case errors.Is(err, gorm.ErrForeignKeyViolated):
		for _, r := range refs {
			if missing := s.missing(ctx, r, o.Network); missing != nil {
				return missing
			}
		}
		return &Conflict{Kind: kind, Name: o.Name, Why: "what it refers to was deleted or made at the same moment; try again"}
	}
	return err
}

// missing returns an error when there is no such object.
func (s *Store) missing(ctx context.Context, r ref, net string) error {
	if r.name == "" {
		return nil
	}
	q := s.read.WithContext(ctx).Table(tables[r.kind]).Where("name = ?", r.name)
	if r.kind != "network" && r.kind != "user" {
		q = q.Where("network = ?", net)
	}
	var n int64
	if err := q.Count(&n).Error; err != nil || n > 0 {
		return err
	}
	return s.notFound(ctx, r.kind, net, r.name)
}

// update writes the columns of the named object and returns it as it is now.
func update[R row[M], M any](ctx context.Context, s *Store, kind string, of model.Object, columns map[string]any, refs ...ref) (M, error) {
	var (
		r    R
		none M
		o    = object{Network: network(of.Network), Name: of.Name}
	)
	columns["updated"] = stamp(now())
	done := s.write.WithContext(ctx).Model(&r).Where("network = ? AND name = ?", o.Network, o.Name).Updates(columns)
	err := s.explain(ctx, done.Error, kind, o, refs)
	if err == nil && done.RowsAffected == 0 {
		err = s.notFound(ctx, kind, o.Network, o.Name)
	}
	if err != nil {
		return none, s.fail(ctx, "update "+kind, err)
	}
	return find[R, M](ctx, s, kind, o.Network, o.Name)
}

// user is where a reference to an object comes from, for "in use by".
type user struct {
	kind  string
	where string // takes @network and @name
}

// remove deletes the named object. When others refer to it, the database
// refuses, and the error names them.
func (s *Store) remove(ctx context.Context, kind, net, name string, users ...user) error {
	net = network(net)
	done := s.write.WithContext(ctx).Exec("DELETE FROM "+tables[kind]+" WHERE network = ? AND name = ?", net, name)
	err := done.Error
	switch {
	case errors.Is(err, gorm.ErrForeignKeyViolated):
		err = s.inUse(ctx, kind, net, name, users)
	case err == nil && done.RowsAffected == 0:
		err = s.notFound(ctx, kind, net, name)
	}
	return s.fail(ctx, "delete "+kind, err)
}

// inUse returns the error that names who refers to the object.
func (s *Store) inUse(ctx context.Context, kind, net, name string, users []user) error {
	const shown = 10
	args := map[string]any{"network": net, "name": name}
	e := &InUse{Kind: kind, Name: name}
	var more int64
	for _, u := range users {
		var (
			names []string
			total int64
		)
		q := func() *gorm.DB { return s.read.WithContext(ctx).Table(tables[u.kind]).Where(u.where, args) }
		if err := q().Count(&total).Error; err != nil {
			return err
		}
		if err := q().Order("name").Limit(max(0, shown-len(e.By))).Pluck("name", &names).Error; err != nil {
			return err
		}
		more += total - int64(len(names))
		for _, n := range names {
			e.By = append(e.By, u.kind+" "+n)
		}
	}
	switch {
	case len(e.By) == 0:
		return &Conflict{Kind: kind, Name: name, Why: "what used it was deleted at the same moment; try again"}
	case more > 0:
		e.By = append(e.By, fmt.Sprintf("%d more", more))
	}
	return e
}
