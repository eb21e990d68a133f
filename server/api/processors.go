package api

import (
	"context"
	"fmt"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

func (a *API) processorRoutes() {
	const path, item, tag = "/v1/processors", "/v1/processors/{name}", "processors"
	register(a, listOp(path, "list-processors", tag, "List processors"), a.listProcessors)
	register(a, createOp(path, "create-processor", tag, "Declare a processor"), a.createProcessor)
	register(a, getOp(item, "get-processor", tag, "Show a processor"), a.getProcessor)
	register(a, updateOp(item, "update-processor", tag, "Change a processor"), a.updateProcessor)
	register(a, deleteOp(item, "delete-processor", tag, "Delete a processor without sockets"), a.deleteProcessor)
	for verb, h := range map[string]func(context.Context, *object) (*body[model.Processor], error){
		"start": a.startProcessor, "stop": a.stopProcessor, "restart": a.restartProcessor,
	} {
		o := op("POST", item+"/"+verb, verb+"-processor", tag, verbs[verb], 404, 409)
		register(a, o, h)
	}
}

var verbs = map[string]string{
	"start": "Wish a processor to run", "stop": "Wish a processor to have no workers; calls wait in its queues",
	"restart": "Replace the workers of a processor",
}

func (a *API) listProcessors(ctx context.Context, in *listing) (*body[model.Page[model.Processor]], error) {
	page, err := a.cfg.Store.Processors(ctx, in.Network, in.list())
	return &body[model.Page[model.Processor]]{page}, err
}

func (a *API) getProcessor(ctx context.Context, in *object) (*body[model.Processor], error) {
	p, err := a.cfg.Store.Processor(ctx, in.Network, in.Name)
	return &body[model.Processor]{p}, err
}

func (a *API) createProcessor(ctx context.Context, in *creation[client.ProcessorInput]) (*body[model.Processor], error) {
	b := in.Body
	kind, ref, err := theRef(b.Branch, b.Tag, b.Commit)
	if err != nil {
		return nil, err
	}
	repo, credentials, err := splitRepo(b.GitRepo)
	if err != nil {
		return nil, err
	}
	limit, err := limited(model.Limit{}, &b.Rate, &b.Burst)
	if err != nil {
		return nil, err
	}
	p := model.Processor{
		Object:  model.Object{Network: in.Network, Name: b.Name, Owner: user(ctx)},
		GitRepo: repo, Ref: ref, RefKind: kind, Module: b.Module, ModulePath: b.ModulePath, Runtime: b.Runtime,
		Interpreter: b.Interpreter, Hostname: b.Hostname, Concurrency: b.Concurrency, Wanted: model.StatusRunning,
		Limit: limit,
	}
	if err := check(p.Check()); err != nil {
		return nil, err
	}
	if err := a.free(ctx, p); err != nil {
		return nil, err
	}
	if p.Commit, err = a.resolve(ctx, p, credentials); err != nil {
		return nil, err
	}
	p, err = a.storeProcessor(ctx, p, credentials)
	if err != nil {
		return nil, err
	}
	a.announce(ctx, "processor", p.Network, p.Name, "created")
	return &body[model.Processor]{p}, nil
}

// free returns a conflict when the name is taken, before a repository is
// fetched for nothing.
func (a *API) free(ctx context.Context, p model.Processor) error {
	if _, err := a.cfg.Store.Network(ctx, p.Network); err != nil {
		return err
	}
	return taken("processor", p.Name)(a.cfg.Store.Processor(ctx, p.Network, p.Name))
}

// storeProcessor writes the processor and its credentials, both or none.
func (a *API) storeProcessor(ctx context.Context, p model.Processor, credentials string) (model.Processor, error) {
	p, err := a.cfg.Store.CreateProcessor(ctx, p)
	if err != nil || credentials == "" {
		return p, err
	}
	err = a.cfg.Store.SetCredential(ctx, p.ID, a.cfg.Sealer.Seal([]byte(credentials), p.ID))
	if err == nil {
		return p, nil
	}
	if undo := a.cfg.Store.DeleteProcessor(context.WithoutCancel(ctx), p.Network, p.Name); undo != nil {
		a.log.ErrorContext(ctx, "processor without its credentials stays", "processor", p.Name, "err", undo)
	}
	return p, err
}

// resolve returns the commit that the processor's ref stands for, where the
// module was found.
func (a *API) resolve(ctx context.Context, p model.Processor, credentials string) (string, error) {
	commit, err := a.cfg.Resolver.Resolve(ctx, p.GitRepo, p.RefKind, p.Ref, credentials)
	if err != nil {
		return "", fmt.Errorf("resolve %s of processor %s: %w", p.Ref, p.Name, err)
	}
	if err := a.cfg.Resolver.CheckModule(ctx, p.GitRepo, commit, p.Runtime, p.ModulePath, p.Module, credentials); err != nil {
		return "", fmt.Errorf("find module of processor %s: %w", p.Name, err)
	}
	return commit, nil
}

// theRef returns the one ref that was given.
func theRef(branch, tag, commit string) (kind, ref string, err error) {
	for _, r := range []struct{ kind, ref string }{{"branch", branch}, {"tag", tag}, {"commit", commit}} {
		switch {
		case r.ref == "":
		case ref != "":
			return "", "", invalid(fmt.Sprintf("both a %s and a %s were given", kind, r.kind), "give one of branch, tag and commit")
		default:
			kind, ref = r.kind, r.ref
		}
	}
	return kind, ref, nil
}

func (a *API) updateProcessor(ctx context.Context, in *change[client.ProcessorPatch]) (*body[model.Processor], error) {
	was, err := a.cfg.Store.Processor(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	p, credentials, changed, err := a.patched(ctx, was, in.Body)
	if err != nil {
		return nil, err
	}
	if b := in.Body; moved(was, p) || b.GitRepo != nil || b.Branch != nil || b.Tag != nil || b.Commit != nil {
		if p.Commit, err = a.resolve(ctx, p, credentials); err != nil {
			return nil, err
		}
	}
	a.shape.Lock()
	defer a.shape.Unlock()
	if p.Module != was.Module {
		if err := a.applyModule(ctx, p); err != nil {
			return nil, err
		}
	}
	if changed {
		if err := a.seal(ctx, p.ID, credentials); err != nil {
			return nil, err
		}
	}
	p, err = a.cfg.Store.UpdateProcessor(ctx, p)
	if err != nil {
		return nil, err
	}
	a.announce(ctx, "processor", p.Network, p.Name, "updated")
	return &body[model.Processor]{p}, nil
}

// moved tells whether the code is to be looked for elsewhere.
func moved(was, is model.Processor) bool {
	return was.GitRepo != is.GitRepo || was.Module != is.Module || was.ModulePath != is.ModulePath
}

// patched returns the processor as it shall be, its credentials, and whether
// those are others than before.
func (a *API) patched(ctx context.Context, p model.Processor, b client.ProcessorPatch) (out model.Processor, credentials string, changed bool, err error) {
	credentials, err = a.credentials(ctx, p.ID)
	if err != nil {
		return p, "", false, err
	}
	if b.GitRepo != nil {
		repo, given, err := splitRepo(*b.GitRepo)
		if err != nil {
			return p, "", false, err
		}
		if given != "" || !sameHost(repo, p.GitRepo) {
			changed = given != credentials
			credentials = given // those of one host are never shown to another
		}
		p.GitRepo = repo
	}
	kind, ref, err := theRef(deref(b.Branch), deref(b.Tag), deref(b.Commit))
	if err != nil {
		return p, "", false, err
	}
	if b.Branch != nil || b.Tag != nil || b.Commit != nil {
		p.RefKind, p.Ref = kind, ref
	}
	set(&p.Module, b.Module)
	set(&p.ModulePath, b.ModulePath)
	set(&p.Interpreter, b.Interpreter)
	set(&p.Hostname, b.Hostname)
	set(&p.Concurrency, b.Concurrency)
	if p.Limit, err = limited(p.Limit, b.Rate, b.Burst); err != nil {
		return p, "", false, err
	}
	return p, credentials, changed, check(p.Check())
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// credentials opens what is kept for a processor's repository.
func (a *API) credentials(ctx context.Context, processorID string) (string, error) {
	sealed, err := a.cfg.Store.Credential(ctx, processorID)
	if err != nil || len(sealed) == 0 {
		return "", err
	}
	open, err := a.cfg.Sealer.Open(sealed, processorID)
	if err != nil {
		return "", problem(409, "the credentials of the repository cannot be read: they were sealed with another key",
			"bring the server's key file back, or give the credentials again with the repository's address")
	}
	return string(open), nil
}

func (a *API) seal(ctx context.Context, processorID, credentials string) error {
	if credentials == "" {
		return a.cfg.Store.SetCredential(ctx, processorID, nil)
	}
	return a.cfg.Store.SetCredential(ctx, processorID, a.cfg.Sealer.Seal([]byte(credentials), processorID))
}

// applyModule declares the shared queues that the processor's sockets have
// under its new module.
func (a *API) applyModule(ctx context.Context, p model.Processor) error {
	endpoints, err := a.cfg.Store.EndpointsOf(ctx, p.Network, p.Name)
	if err != nil {
		return err
	}
	for _, e := range endpoints {
		e.Module = p.Module
		if err := a.cfg.Topology.ApplyEndpoint(ctx, e); err != nil {
			return fmt.Errorf("declare queues of socket %s: %w", e.Socket.Name, err)
		}
	}
	return nil
}

func (a *API) deleteProcessor(ctx context.Context, in *object) (*struct{}, error) {
	if err := a.cfg.Store.DeleteProcessor(ctx, in.Network, in.Name); err != nil {
		return nil, err
	}
	a.announce(ctx, "processor", in.Network, in.Name, "deleted")
	return nil, nil
}

func (a *API) startProcessor(ctx context.Context, in *object) (*body[model.Processor], error) {
	return a.want(ctx, in, model.StatusRunning)
}

func (a *API) stopProcessor(ctx context.Context, in *object) (*body[model.Processor], error) {
	return a.want(ctx, in, model.StatusStopped)
}

func (a *API) want(ctx context.Context, in *object, status model.Status) (*body[model.Processor], error) {
	p, err := a.cfg.Store.Processor(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	p.Wanted = status
	if p, err = a.cfg.Store.UpdateProcessor(ctx, p); err != nil {
		return nil, err
	}
	a.announce(ctx, "processor", p.Network, p.Name, "updated")
	return &body[model.Processor]{p}, nil
}

func (a *API) restartProcessor(ctx context.Context, in *object) (*body[model.Processor], error) {
	p, err := a.cfg.Store.RestartProcessor(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	a.announce(ctx, "processor", p.Network, p.Name, "updated")
	return &body[model.Processor]{p}, nil
}
