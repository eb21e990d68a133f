package store

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/elasticcode/flow/model"
)

// Heartbeat keeps what an agent reports: its node, itself, its workers in place
// of those it had, and what it found out about processors; in one transaction.
// The agent was heard of now, by the clock of this program.
func (s *Store) Heartbeat(ctx context.Context, h model.Heartbeat) error {
	return s.tx(ctx, "keep heartbeat", func(tx *gorm.DB) error {
		if err := putHost(tx, h); err != nil {
			return err
		}
		changed, err := putWorkers(tx, h.Node.Name, h.Workers)
		if err != nil {
			return err
		}
		if changed {
			if err := deploymentStatus(tx, h.Node.Name); err != nil {
				return err
			}
		}
		if err := reportProcessors(tx, "", h.Processors); err != nil {
			return err
		}
		return stopped(tx)
	})
}

// PlanTaken keeps which version of its plan the agent of a node has taken up. It
// tells whether the agent is known, which it is from its first heartbeat on.
func (s *Store) PlanTaken(ctx context.Context, node, version string) (known bool, err error) {
	err = s.tx(ctx, "keep the version of a plan", func(tx *gorm.DB) error {
		done := tx.Model(&agentRow{}).Where("node = ?", node).UpdateColumn("plan", version)
		known = done.RowsAffected > 0
		return done.Error
	})
	return known, err
}

// PlansTaken returns which version of its plan each running agent has taken up
// that was heard of not longer ago than that, by node.
func (s *Store) PlansTaken(ctx context.Context, heard time.Duration) (map[string]string, error) {
	var rows []agentRow
	err := s.read.WithContext(ctx).Select("node", "plan").
		Where("status = ? AND plan <> '' AND beat > ?", string(model.StatusRunning), stamp(now().Add(-heard))).Find(&rows).Error
	out := make(map[string]string, len(rows))
	for _, r := range rows {
		out[r.Node] = r.Plan
	}
	return out, s.fail(ctx, "read the versions of plans", err)
}

// stopped marks the processors that were to stop and of which no worker is left:
// no agent speaks for them any more.
func stopped(tx *gorm.DB) error {
	return tx.Exec(`UPDATE processors SET status = ?, message = '', observed = generation WHERE wanted = ? AND status <> ?
		AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.network = processors.network AND w.processor = processors.name)`,
		string(model.StatusStopped), string(model.StatusStopped), string(model.StatusStopped)).Error
}

func putHost(tx *gorm.DB, h model.Heartbeat) error {
	t := stamp(now())
	of := func(o model.Object) host {
		return host{ID: model.NewID(), Network: network(o.Network), Name: o.Name, Created: t, Updated: t}
	}
	n := nodeRow{
		Host: of(h.Node.Object), Cores: h.Node.Cores, Memory: h.Node.Memory, MemFree: h.Node.MemFree,
		Load: h.Node.Load, Status: orRunning(h.Node.Status), Platform: h.Node.Platform,
	}
	a := agentRow{
		Host: of(h.Agent.Object), Node: h.Node.Name, CPUs: h.Agent.CPUs, PID: h.Agent.PID, Status: orRunning(h.Agent.Status),
		Beat: t, Version: h.Agent.Version, Started: stamp(h.Agent.Started),
	}
	if a.Host.Name == "" {
		a.Host.Name = h.Node.Name + ".agent"
	}
	if err := tx.Clauses(byName("network", "updated", "cores", "memory", "mem_free", "load", "status", "platform")).Create(&n).Error; err != nil {
		return err
	}
	return tx.Clauses(byName("network", "updated", "node", "cpus", "pid", "status", "beat", "version", "started")).Create(&a).Error
}

func byName(columns ...string) clause.OnConflict {
	return clause.OnConflict{Columns: []clause.Column{{Name: "name"}}, DoUpdates: clause.AssignmentColumns(columns)}
}

func orRunning(s model.Status) string {
	if s == "" {
		s = model.StatusRunning
	}
	return string(s)
}

// putWorkers makes the workers of the node those given, and tells whether that
// changed anything. Only what changed is written: every agent says the same
// again every few seconds.
func putWorkers(tx *gorm.DB, node string, workers []model.Worker) (bool, error) {
	var have []workerRow
	if err := tx.Where("node = ?", node).Find(&have).Error; err != nil {
		return false, err
	}
	type key struct{ network, name string }
	was := make(map[key]workerRow, len(have))
	for _, r := range have {
		was[key{r.Network, r.Name}] = r
	}
	var put []workerRow
	for _, w := range workers {
		r := newWorker(node, w)
		k := key{r.Network, r.Name}
		if old, ok := was[k]; !ok || !sameWorker(old, r) {
			put = append(put, r)
		}
		delete(was, k)
	}
	var gone []string
	for _, r := range was {
		gone = append(gone, r.ID)
	}
	slices.Sort(gone)
	if len(gone) > 0 {
		if err := tx.Where("id IN ?", gone).Delete(&workerRow{}).Error; err != nil {
			return false, err
		}
	}
	if len(put) > 0 {
		err := tx.Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "network"}, {Name: "name"}},
			DoUpdates: clause.AssignmentColumns([]string{"updated", "node", "processor", "deployment", "slot", "pid",
				"status", "message", "restarts", "commit_hash", "generation", "started"}),
		}).CreateInBatches(&put, 200).Error
		if err != nil {
			return false, err
		}
	}
	return len(gone)+len(put) > 0, nil
}

func newWorker(node string, w model.Worker) workerRow {
	t := stamp(now())
	return workerRow{
		ID: model.NewID(), Network: network(w.Network), Name: w.Name, Created: t, Updated: t,
		Node: node, Processor: w.Processor, Deployment: w.Deployment, Slot: w.Slot, PID: w.PID,
		Status: string(w.Status), Message: w.Message, Restarts: w.Restarts, CommitHash: w.Commit,
		Generation: w.Generation, Started: stampOf(w.Started),
	}
}

func sameWorker(a, b workerRow) bool {
	same := (a.Started == nil) == (b.Started == nil) && (a.Started == nil || a.Started.time().Equal(b.Started.time()))
	a.ID, a.Created, a.Updated, a.Started = b.ID, b.Created, b.Updated, b.Started
	return same && a == b
}

// deploymentStatus makes the status of the node's deployments that of their workers.
func deploymentStatus(tx *gorm.DB, node string) error {
	var (
		deployments []deploymentRow
		workers     []workerRow
	)
	if err := tx.Where("node = ?", node).Find(&deployments).Error; err != nil {
		return err
	}
	if err := tx.Where("node = ?", node).Find(&workers).Error; err != nil {
		return err
	}
	for _, d := range deployments {
		var of []model.Status
		for _, w := range workers {
			if w.Network == d.Object.Network && w.Processor == d.Processor {
				of = append(of, model.Status(w.Status))
			}
		}
		status := string(sumUp(of, d.CPUs))
		if status == d.Status {
			continue
		}
		if err := tx.Model(&deploymentRow{}).Where("id = ?", d.Object.ID).UpdateColumn("status", status).Error; err != nil {
			return err
		}
	}
	return nil
}

// sumUp is the status of a deployment of so many CPUs whose workers have these:
// the worst one that is there, and running only when all of them run.
func sumUp(workers []model.Status, cpus int) model.Status {
	for _, bad := range []model.Status{model.StatusDown, model.StatusFailed, model.StatusBackoff, model.StatusStarting} {
		if slices.Contains(workers, bad) {
			return bad
		}
	}
	switch {
	case len(workers) == 0:
		return model.StatusReady
	case !slices.Contains(workers, model.StatusRunning):
		return model.StatusStopped
	case len(workers) < cpus:
		return model.StatusStarting
	}
	return model.StatusRunning
}

// MarkLost sets agents that were last heard of before the time down, together
// with their nodes, workers and deployments, and processors that now run
// nowhere. It returns the names of the nodes that were lost just now.
func (s *Store) MarkLost(ctx context.Context, before time.Time) ([]string, error) {
	var lost []string
	down := string(model.StatusDown)
	err := s.tx(ctx, "mark lost agents", func(tx *gorm.DB) error {
		lost = nil
		late := tx.Model(&agentRow{}).Where("beat < ? AND status <> ?", stamp(before), down)
		if err := late.Session(&gorm.Session{}).Order("node").Pluck("node", &lost).Error; err != nil || len(lost) == 0 {
			return err
		}
		if err := tx.Model(&agentRow{}).Where("node IN ? AND beat < ?", lost, stamp(before)).UpdateColumn("status", down).Error; err != nil {
			return err
		}
		if err := tx.Model(&nodeRow{}).Where("name IN ?", lost).UpdateColumn("status", down).Error; err != nil {
			return err
		}
		for _, m := range []any{&workerRow{}, &deploymentRow{}} {
			if err := tx.Model(m).Where("node IN ?", lost).UpdateColumn("status", down).Error; err != nil {
				return err
			}
		}
		return tx.Exec(`UPDATE processors SET status = ?, message = ? WHERE status = ?
			AND EXISTS (SELECT 1 FROM workers w WHERE w.network = processors.network AND w.processor = processors.name AND w.node IN ?)
			AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.network = processors.network AND w.processor = processors.name AND w.status <> ?)`,
			down, "no agent that runs it has been heard of lately", string(model.StatusRunning), lost, down).Error
	})
	if err != nil {
		return nil, err
	}
	return lost, nil
}
