package api

import (
	"context"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

func (a *API) networkRoutes() {
	const path, item, tag = "/v1/networks", "/v1/networks/{name}", "networks"
	register(a, listOp(path, "list-networks", tag, "List networks"), a.listNetworks)
	register(a, createOp(path, "create-network", tag, "Declare a network"), a.createNetwork)
	register(a, getOp(item, "get-network", tag, "Show a network"), a.getNetwork)
	register(a, deleteOp(item, "delete-network", tag, "Delete a network that is empty"), a.deleteNetwork)
}

func (a *API) listNetworks(ctx context.Context, in *struct{ Paged }) (*body[model.Page[model.Network]], error) {
	page, err := a.cfg.Store.Networks(ctx, in.list())
	return &body[model.Page[model.Network]]{page}, err
}

func (a *API) createNetwork(ctx context.Context, in *struct{ Body client.NetworkInput }) (*body[model.Network], error) {
	if err := check(model.CheckName("network", in.Body.Name)); err != nil {
		return nil, err
	}
	n, err := a.cfg.Store.CreateNetwork(ctx, model.Network{Name: in.Body.Name, Owner: user(ctx)})
	if err != nil {
		return nil, err
	}
	a.announce(ctx, "network", n.Name, n.Name, "created")
	return &body[model.Network]{n}, nil
}

func (a *API) getNetwork(ctx context.Context, in *Named) (*body[model.Network], error) {
	n, err := a.cfg.Store.Network(ctx, in.Name)
	return &body[model.Network]{n}, err
}

func (a *API) deleteNetwork(ctx context.Context, in *Named) (*struct{}, error) {
	if err := a.cfg.Store.DeleteNetwork(ctx, in.Name); err != nil {
		return nil, err
	}
	a.announce(ctx, "network", in.Name, in.Name, "deleted")
	return nil, nil
}
