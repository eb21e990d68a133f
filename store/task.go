package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
)

type taskRow struct {
	ID         string   `gorm:"primaryKey"`
	Network    string   `gorm:"not null;uniqueIndex:idx_tasks_name,priority:1"`
	Processor  string   `gorm:"not null;uniqueIndex:idx_tasks_name,priority:2"`
	Module     string   `gorm:"not null"`
	Name       string   `gorm:"not null;uniqueIndex:idx_tasks_name,priority:3"`
	Doc        string   `gorm:"not null"`
	Source     string   `gorm:"not null"`
	Returns    document // a JSON Schema
	CommitHash string   `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (taskRow) TableName() string { return "tasks" }

func (r taskRow) object() model.Task {
	return model.Task{
		ID: r.ID, Network: r.Network, Processor: r.Processor, Module: r.Module, Name: r.Name,
		Doc: r.Doc, Source: r.Source, Returns: []byte(r.Returns), Commit: r.CommitHash, Arguments: []model.Argument{},
	}
}

type argumentRow struct {
	TaskID       string `gorm:"primaryKey"`
	Position     int    `gorm:"primaryKey;autoIncrement:false"`
	Name         string `gorm:"not null"`
	Kind         string `gorm:"not null"`
	HasDefault   bool   `gorm:"not null"`
	DefaultValue document
	Schema       document
}

// TableName implements gorm's Tabler.
func (argumentRow) TableName() string { return "arguments" }

func (r argumentRow) object() model.Argument {
	return model.Argument{
		Name: r.Name, Position: r.Position, Kind: model.Kind(r.Kind), HasDefault: r.HasDefault,
		Default: []byte(r.DefaultValue), Schema: []byte(r.Schema),
	}
}

// PutTasks makes the tasks of a processor those given, as its commit describes
// them. Tasks keep their ids. When the processor was moved to another commit
// meanwhile, it is a *Conflict.
func (s *Store) PutTasks(ctx context.Context, net, processor, commit string, tasks []model.Task) error {
	net = network(net)
	err := s.tx(ctx, "keep tasks of "+processor, func(tx *gorm.DB) error {
		var p processorRow
		if err := tx.Where("network = ? AND name = ?", net, processor).Take(&p).Error; err != nil {
			return err
		}
		if p.CommitHash != commit {
			return &Conflict{Kind: "processor", Name: processor, Why: fmt.Sprintf("it runs commit %.12s now and not %.12s", p.CommitHash, commit)}
		}
		if err := s.lock(ctx, tx, "tasks/"+net+"/"+processor); err != nil {
			return err
		}
		var have []taskRow
		if err := tx.Where("network = ? AND processor = ?", net, processor).Find(&have).Error; err != nil {
			return err
		}
		if err := tx.Where("network = ? AND processor = ?", net, processor).Delete(&taskRow{}).Error; err != nil {
			return err
		}
		return insertTasks(tx, p, tasks, have)
	})
	if missingRow(err) {
		return s.notFound(ctx, "processor", net, processor)
	}
	return err
}

// insertTasks inserts the tasks of p under the ids they had.
func insertTasks(tx *gorm.DB, p processorRow, tasks []model.Task, had []taskRow) error {
	var (
		rows      []taskRow
		arguments []argumentRow
	)
	for _, t := range tasks {
		r := taskRow{
			ID: model.NewID(), Network: p.Object.Network, Processor: p.Object.Name, Module: t.Module, Name: t.Name,
			Doc: clean(t.Doc), Source: clean(t.Source), Returns: present(t.Returns), CommitHash: p.CommitHash,
		}
		if r.Module == "" {
			r.Module = p.Module
		}
		for _, old := range had {
			if old.Name == t.Name {
				r.ID = old.ID
			}
		}
		rows = append(rows, r)
		for i, a := range t.Arguments {
			arguments = append(arguments, argumentRow{
				TaskID: r.ID, Position: i, Name: a.Name, Kind: string(a.Kind), HasDefault: a.HasDefault,
				DefaultValue: present(a.Default), Schema: present(a.Schema),
			})
		}
	}
	if len(rows) > 0 {
		if err := tx.CreateInBatches(&rows, 100).Error; err != nil {
			return err
		}
	}
	if len(arguments) > 0 {
		return tx.CreateInBatches(&arguments, 100).Error
	}
	return nil
}

// Tasks lists the tasks of a network, or of one of its processors; an empty
// name limits nothing.
func (s *Store) Tasks(ctx context.Context, network, processor string, l List) (model.Page[model.Task], error) {
	q := s.in(network)
	if processor != "" {
		q = q.Where("processor = ?", processor)
	}
	keys := func(t model.Task) []string { return []string{t.Network, t.Processor, t.Name} }
	out, err := page[taskRow](ctx, s, q, l, keys, "network", "processor", "name")
	if err != nil {
		return out, err
	}
	return out, s.withArguments(ctx, out.Items)
}

// withArguments fills in the arguments of the tasks.
func (s *Store) withArguments(ctx context.Context, tasks []model.Task) error {
	at := make(map[string]int, len(tasks))
	ids := make([]string, len(tasks))
	for i, t := range tasks {
		at[t.ID], ids[i] = i, t.ID
	}
	var rows []argumentRow
	if err := s.read.WithContext(ctx).Where("task_id IN ?", ids).Order("task_id, position").Find(&rows).Error; err != nil {
		return s.fail(ctx, "list arguments", err)
	}
	for _, r := range rows {
		t := &tasks[at[r.TaskID]]
		t.Arguments = append(t.Arguments, r.object())
	}
	return nil
}

// Task returns the task called "name" or "module.name". Where several
// processors expose the same function of the same module it is that of the
// first by name; where the name fits functions of several modules, it is an
// *Ambiguous.
func (s *Store) Task(ctx context.Context, net, name string) (model.Task, error) {
	net = network(net)
	var rows []taskRow
	q := s.read.WithContext(ctx).Where("network = ? AND (name = ? OR module || '.' || name = ?)", net, name, name)
	if err := q.Order("processor, name").Find(&rows).Error; err != nil {
		return model.Task{}, s.fail(ctx, "get task", err)
	}
	var full []string
	for _, r := range rows {
		full = append(full, r.Module+"."+r.Name)
	}
	// A full name means one function, even where another's short name is the same.
	if i := slices.Index(full, name); i >= 0 {
		rows, full = rows[i:i+1], full[i:i+1]
	}
	slices.Sort(full)
	switch full = slices.Compact(full); len(full) {
	case 0:
		return model.Task{}, s.noTask(ctx, net, name)
	case 1:
		out := []model.Task{rows[0].object()}
		err := s.withArguments(ctx, out)
		return out[0], err
	}
	return model.Task{}, &Ambiguous{Kind: "task", Name: name, Candidates: full}
}

// noTask returns a *NotFound that suggests short names for a short one and full
// names for a full one.
func (s *Store) noTask(ctx context.Context, net, name string) error {
	var rows []taskRow
	if err := s.read.WithContext(ctx).Select("module", "name").Where("network = ?", net).Limit(5000).Find(&rows).Error; err != nil {
		return s.fail(ctx, "look for close names", err)
	}
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.Name
		if strings.Contains(name, ".") {
			names[i] = r.Module + "." + r.Name
		}
	}
	slices.Sort(names)
	return &NotFound{Kind: "task", Name: name, Suggestions: closest(name, slices.Compact(names))}
}
