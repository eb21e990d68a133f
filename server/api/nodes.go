package api

import (
	"context"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

func (a *API) nodeRoutes() {
	register(a, listOp("/v1/nodes", "list-nodes", "nodes", "List the hosts that agents run on"), a.listNodes)
	register(a, getOp("/v1/nodes/{name}", "get-node", "nodes", "Show a host"), a.getNode)
	register(a, listOp("/v1/agents", "list-agents", "nodes", "List agents"), a.listAgents)
	register(a, getOp("/v1/agents/{name}", "get-agent", "nodes", "Show an agent"), a.getAgent)
	register(a, listOp("/v1/workers", "list-workers", "nodes", "List workers"), a.listWorkers)
}

func (a *API) listNodes(ctx context.Context, in *struct{ Paged }) (*body[model.Page[model.Node]], error) {
	page, err := a.cfg.Store.Nodes(ctx, "", in.list())
	return &body[model.Page[model.Node]]{page}, err
}

func (a *API) getNode(ctx context.Context, in *struct{ Named }) (*body[model.Node], error) {
	n, err := a.cfg.Store.Node(ctx, in.Name)
	return &body[model.Node]{n}, err
}

func (a *API) listAgents(ctx context.Context, in *struct{ Paged }) (*body[model.Page[model.Agent]], error) {
	page, err := a.cfg.Store.Agents(ctx, "", in.list())
	return &body[model.Page[model.Agent]]{page}, err
}

func (a *API) getAgent(ctx context.Context, in *struct{ Named }) (*body[model.Agent], error) {
	agent, err := a.cfg.Store.Agent(ctx, in.Name)
	return &body[model.Agent]{agent}, err
}

type workersIn struct {
	InNetwork
	Paged
	Processor string `query:"processor" maxLength:"80" doc:"Only those of this processor"`
	Node      string `query:"node" maxLength:"255" doc:"Only those on this node"`
}

func (a *API) listWorkers(ctx context.Context, in *workersIn) (*body[model.Page[model.Worker]], error) {
	page, err := a.cfg.Store.Workers(ctx, store.WorkerFilter{
		Network: in.Network, Processor: in.Processor, Node: in.Node, List: in.list(),
	})
	return &body[model.Page[model.Worker]]{page}, err
}
