package api

import (
	"context"
	"fmt"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

func (a *API) deploymentRoutes() {
	const path, item, tag = "/v1/deployments", "/v1/deployments/{name}", "deployments"
	register(a, listOp(path, "list-deployments", tag, "List deployments"), a.listDeployments)
	register(a, createOp(path, "create-deployment", tag, "Place a processor on a node by hand"), a.createDeployment)
	register(a, getOp(item, "get-deployment", tag, "Show a deployment"), a.getDeployment)
	register(a, updateOp(item, "update-deployment", tag, "Change a deployment; it is a person's from then on"), a.updateDeployment)
	register(a, deleteOp(item, "delete-deployment", tag, "Delete a deployment that a person made"), a.deleteDeployment)
}

func (a *API) listDeployments(ctx context.Context, in *listing) (*body[model.Page[model.Deployment]], error) {
	page, err := a.cfg.Store.Deployments(ctx, in.Network, in.list())
	return &body[model.Page[model.Deployment]]{page}, err
}

func (a *API) getDeployment(ctx context.Context, in *object) (*body[model.Deployment], error) {
	d, err := a.cfg.Store.Deployment(ctx, in.Network, in.Name)
	return &body[model.Deployment]{d}, err
}

func (a *API) createDeployment(ctx context.Context, in *creation[client.DeploymentInput]) (*body[model.Deployment], error) {
	b := in.Body
	if b.Name == "" {
		b.Name = b.Processor + "." + b.Node
	}
	if err := check(model.CheckName("deployment", b.Name)); err != nil {
		return nil, err
	}
	if _, err := a.cfg.Store.Processor(ctx, in.Network, b.Processor); err != nil {
		return nil, err
	}
	if _, err := a.cfg.Store.Node(ctx, b.Node); err != nil {
		return nil, err
	}
	d, err := a.cfg.Store.CreateDeployment(ctx, model.Deployment{
		Object:    model.Object{Network: in.Network, Name: b.Name, Owner: user(ctx)},
		Processor: b.Processor, Node: b.Node, CPUs: b.CPUs, Manual: true, Status: model.StatusReady,
	})
	if err != nil {
		return nil, err
	}
	a.announce(ctx, "deployment", d.Network, d.Name, "created")
	return &body[model.Deployment]{d}, nil
}

func (a *API) updateDeployment(ctx context.Context, in *change[client.DeploymentPatch]) (*body[model.Deployment], error) {
	d, err := a.cfg.Store.Deployment(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	set(&d.CPUs, in.Body.CPUs)
	d.Manual = true // else the scheduler would change it back
	d, err = a.cfg.Store.UpdateDeployment(ctx, d)
	if err != nil {
		return nil, err
	}
	a.announce(ctx, "deployment", d.Network, d.Name, "updated")
	return &body[model.Deployment]{d}, nil
}

func (a *API) deleteDeployment(ctx context.Context, in *object) (*struct{}, error) {
	d, err := a.cfg.Store.Deployment(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	if !d.Manual {
		return nil, problem(409, fmt.Sprintf("deployment %q was made by the scheduler, which would make it again", d.Name),
			fmt.Sprintf("change the concurrency of processor %s, or stop it", d.Processor))
	}
	if err := a.cfg.Store.DeleteDeployment(ctx, in.Network, in.Name); err != nil {
		return nil, err
	}
	a.announce(ctx, "deployment", in.Network, in.Name, "deleted")
	return nil, nil
}
