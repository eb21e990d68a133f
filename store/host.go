package store

import (
	"context"

	"github.com/elasticcode/flow/model"
)

// host is the columns of what agents report: made by them, owned by nobody.
type host struct {
	ID      string `gorm:"primaryKey"`
	Network string `gorm:"not null"`
	Name    string `gorm:"not null;uniqueIndex:,composite:name"`
	Created stamp  `gorm:"not null"`
	Updated stamp  `gorm:"not null"`
}

func (h host) model() model.Object {
	return object{ID: h.ID, Network: h.Network, Name: h.Name, Created: h.Created, Updated: h.Updated}.model()
}

type nodeRow struct {
	Host     host   `gorm:"embedded"`
	Cores    int    `gorm:"not null"`
	Memory   int64  `gorm:"not null"`
	MemFree  int64  `gorm:"not null"`
	Load     string `gorm:"not null"`
	Status   string `gorm:"not null"`
	Platform string `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (nodeRow) TableName() string { return "nodes" }

func (r nodeRow) object() model.Node {
	return model.Node{
		Object: r.Host.model(), Cores: r.Cores, Memory: r.Memory, MemFree: r.MemFree,
		Load: r.Load, Status: model.Status(r.Status), Platform: r.Platform,
	}
}

type agentRow struct {
	Host    host   `gorm:"embedded"`
	Node    string `gorm:"not null"`
	CPUs    int    `gorm:"column:cpus;not null"`
	PID     int    `gorm:"column:pid;not null"`
	Status  string `gorm:"not null"`
	Beat    stamp  `gorm:"not null"`
	Version string `gorm:"not null"`
	Started stamp  `gorm:"not null"`
	Plan    string `gorm:"not null"` // the version that it has taken up; see PlanTaken
}

// TableName implements gorm's Tabler.
func (agentRow) TableName() string { return "agents" }

func (r agentRow) object() model.Agent {
	return model.Agent{
		Object: r.Host.model(), Node: r.Node, CPUs: r.CPUs, PID: r.PID, Status: model.Status(r.Status),
		Beat: r.Beat.time(), Version: r.Version, Started: r.Started.time(),
	}
}

type workerRow struct {
	ID         string `gorm:"primaryKey"`
	Network    string `gorm:"not null;uniqueIndex:idx_workers_name,priority:1"`
	Name       string `gorm:"not null;uniqueIndex:idx_workers_name,priority:2"`
	Created    stamp  `gorm:"not null"`
	Updated    stamp  `gorm:"not null"`
	Node       string `gorm:"not null;index:idx_workers_node"`
	Processor  string `gorm:"not null"`
	Deployment string `gorm:"not null"`
	Slot       int    `gorm:"not null"`
	PID        int    `gorm:"column:pid;not null"`
	Status     string `gorm:"not null"`
	Message    string `gorm:"not null"`
	Restarts   int    `gorm:"not null"`
	CommitHash string `gorm:"not null"`
	Generation int64  `gorm:"not null"`
	Started    *stamp
}

// TableName implements gorm's Tabler.
func (workerRow) TableName() string { return "workers" }

func (r workerRow) object() model.Worker {
	o := object{ID: r.ID, Network: r.Network, Name: r.Name, Created: r.Created, Updated: r.Updated}
	return model.Worker{
		Object: o.model(), Node: r.Node, Processor: r.Processor, Deployment: r.Deployment, Slot: r.Slot,
		PID: r.PID, Status: model.Status(r.Status), Message: r.Message, Restarts: r.Restarts,
		Commit: r.CommitHash, Generation: r.Generation, Started: timeOf(r.Started),
	}
}

// Nodes lists the nodes. A node serves every network; a network that is given
// lists the nodes whose agents said that they belong to it.
func (s *Store) Nodes(ctx context.Context, network string, l List) (model.Page[model.Node], error) {
	return named[nodeRow](ctx, s, network, l, func(n model.Node) model.Object { return n.Object })
}

// Node returns the named node. Names of nodes are unique over all networks.
func (s *Store) Node(ctx context.Context, name string) (model.Node, error) {
	return hostNamed[nodeRow, model.Node](ctx, s, "node", name)
}

// Agents lists the agents, like Nodes.
func (s *Store) Agents(ctx context.Context, network string, l List) (model.Page[model.Agent], error) {
	return named[agentRow](ctx, s, network, l, func(a model.Agent) model.Object { return a.Object })
}

// AllAgents returns the agents of all networks.
func (s *Store) AllAgents(ctx context.Context) ([]model.Agent, error) {
	return all[agentRow, model.Agent](ctx, s, s.read, "name")
}

// Agent returns the named agent. Names of agents are unique over all networks.
func (s *Store) Agent(ctx context.Context, name string) (model.Agent, error) {
	return hostNamed[agentRow, model.Agent](ctx, s, "agent", name)
}

func hostNamed[R row[M], M any](ctx context.Context, s *Store, kind, name string) (M, error) {
	var (
		r    R
		none M
	)
	err := s.read.WithContext(ctx).Where("name = ?", name).Take(&r).Error
	if missingRow(err) {
		err = s.notFound(ctx, kind, "", name)
	}
	if err != nil {
		return none, s.fail(ctx, "get "+kind, err)
	}
	return r.object(), nil
}

// WorkerFilter limits a listing of workers; what is empty limits nothing.
type WorkerFilter struct {
	Network   string
	Processor string
	Node      string
	List
}

// Workers lists workers by name.
func (s *Store) Workers(ctx context.Context, f WorkerFilter) (model.Page[model.Worker], error) {
	q := s.in(f.Network)
	if f.Processor != "" {
		q = q.Where("processor = ?", f.Processor)
	}
	if f.Node != "" {
		q = q.Where("node = ?", f.Node)
	}
	keys := func(w model.Worker) []string { return []string{w.Network, w.Name} }
	return page[workerRow](ctx, s, q, f.List, keys, "network", "name")
}
