package store

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/elasticcode/flow/model"
)

type deploymentRow struct {
	Object    object `gorm:"embedded"`
	Processor string `gorm:"not null"`
	Node      string `gorm:"not null"`
	CPUs      int    `gorm:"column:cpus;not null"`
	Manual    bool   `gorm:"not null"`
	Status    string `gorm:"not null"` // observed
}

// TableName implements gorm's Tabler.
func (deploymentRow) TableName() string { return "deployments" }

func (r deploymentRow) object() model.Deployment {
	return model.Deployment{
		Object: r.Object.model(), Processor: r.Processor, Node: r.Node, CPUs: r.CPUs,
		Manual: r.Manual, Status: model.Status(r.Status),
	}
}

func newDeployment(d model.Deployment) deploymentRow {
	if d.Status == "" {
		d.Status = model.StatusReady
	}
	return deploymentRow{
		Object: newObject(d.Object), Processor: d.Processor, Node: d.Node, CPUs: d.CPUs,
		Manual: d.Manual, Status: string(d.Status),
	}
}

// CreateDeployment makes a deployment of a processor that exists.
func (s *Store) CreateDeployment(ctx context.Context, d model.Deployment) (model.Deployment, error) {
	r := newDeployment(d)
	if err := s.create(ctx, "deployment", r.Object, &r, ref{"processor", d.Processor}); err != nil {
		return model.Deployment{}, err
	}
	return r.object(), nil
}

// Deployment returns the named deployment.
func (s *Store) Deployment(ctx context.Context, network, name string) (model.Deployment, error) {
	return find[deploymentRow](ctx, s, "deployment", network, name)
}

// Deployments lists the deployments of a network; an empty name lists those of all.
func (s *Store) Deployments(ctx context.Context, network string, l List) (model.Page[model.Deployment], error) {
	return named[deploymentRow](ctx, s, network, l, func(d model.Deployment) model.Object { return d.Object })
}

// AllDeployments returns the deployments of all networks.
func (s *Store) AllDeployments(ctx context.Context) ([]model.Deployment, error) {
	return all[deploymentRow, model.Deployment](ctx, s, s.read, "network, name")
}

// UpdateDeployment writes what is wanted of the named deployment; what is
// observed of it stays.
func (s *Store) UpdateDeployment(ctx context.Context, d model.Deployment) (model.Deployment, error) {
	return update[deploymentRow, model.Deployment](ctx, s, "deployment", d.Object, map[string]any{
		"processor": d.Processor, "node": d.Node, "cpus": d.CPUs, "manual": d.Manual,
	}, ref{"processor", d.Processor})
}

// DeleteDeployment deletes the named deployment.
func (s *Store) DeleteDeployment(ctx context.Context, network, name string) error {
	return s.remove(ctx, "deployment", network, name)
}

// PlaceDeployments removes and puts deployments in one transaction: all of it
// happens or nothing. A deployment that exists by name gets the new processor,
// node and CPUs and keeps what is observed of it; one whose processor was
// deleted meanwhile makes it fail with a *NotFound.
func (s *Store) PlaceDeployments(ctx context.Context, put []model.Deployment, remove []string) error {
	var last deploymentRow
	err := s.tx(ctx, "place deployments", func(tx *gorm.DB) error {
		if len(remove) > 0 {
			if err := tx.Where("id IN ?", remove).Delete(&deploymentRow{}).Error; err != nil {
				return err
			}
		}
		for _, d := range put {
			last = newDeployment(d)
			err := tx.Clauses(clause.OnConflict{
				Columns:   []clause.Column{{Name: "network"}, {Name: "name"}},
				DoUpdates: clause.AssignmentColumns([]string{"processor", "node", "cpus", "manual", "updated"}),
			}).Create(&last).Error
			if err != nil {
				return err
			}
		}
		return nil
	})
	return s.explain(ctx, err, "deployment", last.Object, []ref{{"network", last.Object.Network}, {"processor", last.Processor}})
}
