package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
)

type processorRow struct {
	Object      object `gorm:"embedded"`
	GitRepo     string `gorm:"not null"`
	Ref         string `gorm:"not null"`
	RefKind     string `gorm:"not null"`
	CommitHash  string `gorm:"not null"`
	Module      string `gorm:"not null"`
	ModulePath  string `gorm:"not null"`
	Runtime     string `gorm:"not null"`
	Interpreter string `gorm:"not null"`
	Hostname    string `gorm:"not null"`
	Concurrency int    `gorm:"not null"`
	Wanted      string `gorm:"not null"`
	Generation  int64  `gorm:"not null"`
	Rate        string `gorm:"not null"`
	Burst       int    `gorm:"not null"`
	// The columns below are observed; only reports write them.
	Status   string `gorm:"not null"`
	Message  string `gorm:"not null"`
	Observed int64  `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (processorRow) TableName() string { return "processors" }

func (r processorRow) object() model.Processor {
	return model.Processor{
		Object: r.Object.model(), GitRepo: r.GitRepo, Ref: r.Ref, RefKind: r.RefKind, Commit: r.CommitHash,
		Module: r.Module, ModulePath: r.ModulePath, Runtime: r.Runtime, Interpreter: r.Interpreter,
		Hostname: r.Hostname, Concurrency: r.Concurrency, Wanted: model.Status(r.Wanted), Generation: r.Generation,
		Limit:  model.Limit{Rate: model.Rate(r.Rate), Burst: r.Burst},
		Status: model.Status(r.Status), Message: r.Message, Observed: r.Observed,
	}
}

// CreateProcessor makes a processor of generation 1. It is wanted to run unless
// p says that it is wanted stopped.
func (s *Store) CreateProcessor(ctx context.Context, p model.Processor) (model.Processor, error) {
	if p.Wanted == "" {
		p.Wanted = model.StatusRunning
	}
	r := processorRow{
		Object: newObject(p.Object), GitRepo: p.GitRepo, Ref: p.Ref, RefKind: p.RefKind, CommitHash: p.Commit,
		Module: p.Module, ModulePath: p.ModulePath, Runtime: p.Runtime, Interpreter: p.Interpreter,
		Hostname: p.Hostname, Concurrency: p.Concurrency, Wanted: string(p.Wanted), Generation: 1,
		Rate: string(p.Rate), Burst: p.Burst, Status: string(model.StatusReady),
	}
	if err := s.create(ctx, "processor", r.Object, &r); err != nil {
		return model.Processor{}, err
	}
	return r.object(), nil
}

// Processor returns the named processor.
func (s *Store) Processor(ctx context.Context, network, name string) (model.Processor, error) {
	return find[processorRow](ctx, s, "processor", network, name)
}

// Processors lists the processors of a network; an empty name lists those of all.
func (s *Store) Processors(ctx context.Context, network string, l List) (model.Page[model.Processor], error) {
	return named[processorRow](ctx, s, network, l, func(p model.Processor) model.Object { return p.Object })
}

// AllProcessors returns the processors of all networks.
func (s *Store) AllProcessors(ctx context.Context) ([]model.Processor, error) {
	return all[processorRow, model.Processor](ctx, s, s.read, "network, name")
}

// UpdateProcessor writes the wishes of the named processor, and raises its
// generation when one changed that its workers are made for; a limit is not
// among those. What is observed stays as it is. When p carries
// a Generation that is not the present one, someone else had a wish meanwhile:
// that is a *Conflict.
func (s *Store) UpdateProcessor(ctx context.Context, p model.Processor) (model.Processor, error) {
	columns := map[string]any{
		"git_repo": p.GitRepo, "ref": p.Ref, "ref_kind": p.RefKind, "commit_hash": p.Commit,
		"module": p.Module, "module_path": p.ModulePath, "runtime": p.Runtime, "interpreter": p.Interpreter,
		"hostname": p.Hostname, "concurrency": p.Concurrency, "wanted": string(p.Wanted),
		"rate": string(p.Rate), "burst": p.Burst,
	}
	return s.wish(ctx, p.Object, func(was processorRow) (map[string]any, error) {
		if p.Generation != 0 && p.Generation != was.Generation {
			why := fmt.Sprintf("it is at generation %d and not %d; look at it again and repeat", was.Generation, p.Generation)
			return nil, &Conflict{Kind: "processor", Name: p.Name, Why: why}
		}
		next := was.object()
		next.GitRepo, next.Ref, next.RefKind, next.Commit = p.GitRepo, p.Ref, p.RefKind, p.Commit
		next.Module, next.ModulePath, next.Runtime, next.Interpreter = p.Module, p.ModulePath, p.Runtime, p.Interpreter
		next.Hostname, next.Concurrency, next.Wanted = p.Hostname, p.Concurrency, p.Wanted
		if next != was.object() {
			columns["generation"] = was.Generation + 1
			return columns, nil
		}
		if p.Limit == next.Limit {
			return nil, nil
		}
		return columns, nil
	})
}

// RestartProcessor raises the generation of the named processor, so that its
// workers are replaced, and wants it to run.
func (s *Store) RestartProcessor(ctx context.Context, network, name string) (model.Processor, error) {
	return s.wish(ctx, model.Object{Network: network, Name: name}, func(was processorRow) (map[string]any, error) {
		return map[string]any{"wanted": string(model.StatusRunning), "generation": was.Generation + 1}, nil
	})
}

// wish writes the columns that change returns, if any.
func (s *Store) wish(ctx context.Context, o model.Object, change func(was processorRow) (map[string]any, error)) (model.Processor, error) {
	o.Network = network(o.Network)
	err := s.tx(ctx, "update processor", func(tx *gorm.DB) error {
		var was processorRow
		// Raising nothing locks the row on both databases.
		mine := tx.Model(&was).Where("network = ? AND name = ?", o.Network, o.Name)
		if done := mine.UpdateColumn("generation", gorm.Expr("generation")); done.Error != nil || done.RowsAffected == 0 {
			return orMissing(done.Error)
		}
		if err := tx.Where("network = ? AND name = ?", o.Network, o.Name).Take(&was).Error; err != nil {
			return err
		}
		columns, err := change(was)
		if err != nil || columns == nil {
			return err
		}
		columns["updated"] = stamp(now())
		return tx.Model(&processorRow{}).Where("id = ?", was.Object.ID).Updates(columns).Error
	})
	if missingRow(err) {
		err = s.notFound(ctx, "processor", o.Network, o.Name)
	}
	if err != nil {
		return model.Processor{}, err
	}
	return s.Processor(ctx, o.Network, o.Name)
}

func orMissing(err error) error {
	if err == nil {
		return gorm.ErrRecordNotFound
	}
	return err
}

// DeleteProcessor deletes the named processor with its tasks, deployments and
// credentials, unless sockets use it.
func (s *Store) DeleteProcessor(ctx context.Context, network, name string) error {
	return s.remove(ctx, "processor", network, name, user{"socket", "network = @network AND processor = @name"})
}

// ReportProcessors writes what was observed of processors. A report about an
// older generation than the one observed already, or about a processor that is
// gone, is left out. An empty network stands for each report's own.
func (s *Store) ReportProcessors(ctx context.Context, net string, reports []model.ProcessorReport) error {
	return s.tx(ctx, "report processors", func(tx *gorm.DB) error {
		return reportProcessors(tx, net, reports)
	})
}

func reportProcessors(tx *gorm.DB, net string, reports []model.ProcessorReport) error {
	for _, r := range reports {
		in := net
		if in == "" {
			in = network(r.Network)
		}
		// The last condition spares the write when the news is none: every
		// agent says the same again every few seconds.
		err := tx.Model(&processorRow{}).
			Where("network = ? AND name = ? AND observed <= ? AND generation >= ?", in, r.Processor, r.Generation, r.Generation).
			Where("observed <> ? OR status <> ? OR message <> ?", r.Generation, string(r.Status), r.Message).
			UpdateColumns(map[string]any{"observed": r.Generation, "status": string(r.Status), "message": r.Message}).Error
		if err != nil {
			return err
		}
	}
	return nil
}
