package store

import (
	"context"
	"errors"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
)

// Endpoints returns every socket of the network with its queue, its module and
// the plugs around it.
func (s *Store) Endpoints(ctx context.Context, net string) ([]model.Endpoint, error) {
	return s.endpoints(ctx, network(net), "")
}

// EndpointsOf returns the endpoints of one processor.
func (s *Store) EndpointsOf(ctx context.Context, net, processor string) ([]model.Endpoint, error) {
	return s.endpoints(ctx, network(net), processor)
}

// surroundings is what endpoints are put together from, by name.
type surroundings struct {
	sockets    map[string]model.Socket
	queues     map[string]model.Queue
	processors map[string]model.Processor
}

// endpoints returns the endpoints of a processor, or of all when it is empty.
func (s *Store) endpoints(ctx context.Context, net, processor string) ([]model.Endpoint, error) {
	q := s.read.Where("network = ?", net)
	mine := q.Session(&gorm.Session{})
	if processor != "" {
		mine = mine.Where("processor = ?", processor)
	}
	own, err := all[socketRow, model.Socket](ctx, s, mine, "name")
	if err != nil || len(own) == 0 {
		return []model.Endpoint{}, err
	}
	plugs, err := s.plugsAround(ctx, net, processor)
	if err != nil {
		return nil, err
	}
	around, err := s.surroundings(ctx, net, own, plugs)
	if err != nil {
		return nil, err
	}
	out := make([]model.Endpoint, len(own))
	at := make(map[string]*model.Endpoint, len(own))
	for i, m := range own {
		p := around.processors[m.Processor]
		out[i] = model.Endpoint{
			Socket: m, Queue: around.queues[m.Queue], Module: p.Module, ProcessorLimit: p.Limit,
			In: []model.Plug{}, Out: []model.Edge{},
		}
		at[m.Name] = &out[i]
	}
	for _, p := range plugs {
		if e := at[p.Target]; e != nil && p.Queue != "" {
			e.In = append(e.In, p)
		}
		if e := at[p.Source]; e != nil {
			target := around.sockets[p.Target]
			if target.Name == "" {
				continue // deleted since the plugs were read
			}
			e.Out = append(e.Out, model.Edge{Plug: p, Target: target, TargetQueue: around.queues[target.Queue]})
		}
	}
	return out, nil
}

// plugsAround returns the plugs that begin or end at a socket of the processor.
func (s *Store) plugsAround(ctx context.Context, net, processor string) ([]model.Plug, error) {
	q := s.read.Where("network = ?", net)
	if processor != "" {
		own := s.read.Model(&socketRow{}).Select("name").Where("network = ? AND processor = ?", net, processor)
		q = q.Where(s.read.Where("source IN (?)", own).Or("target IN (?)", own))
	}
	return all[plugRow, model.Plug](ctx, s, q, "name")
}

// surroundings reads the targets of the plugs, all queues and all processors.
func (s *Store) surroundings(ctx context.Context, net string, own []model.Socket, plugs []model.Plug) (surroundings, error) {
	out := surroundings{map[string]model.Socket{}, map[string]model.Queue{}, map[string]model.Processor{}}
	for _, m := range own {
		out.sockets[m.Name] = m
	}
	var foreign []string
	for _, p := range plugs {
		if _, ok := out.sockets[p.Target]; !ok {
			foreign = append(foreign, p.Target)
			out.sockets[p.Target] = model.Socket{}
		}
	}
	in := func() *gorm.DB { return s.read.Where("network = ?", net) }
	for len(foreign) > 0 {
		n := min(len(foreign), 1000)
		targets, err := all[socketRow, model.Socket](ctx, s, in().Where("name IN ?", foreign[:n]), "name")
		if err != nil {
			return out, err
		}
		for _, m := range targets {
			out.sockets[m.Name] = m
		}
		foreign = foreign[n:]
	}
	queues, err := all[queueRow, model.Queue](ctx, s, in(), "name")
	if err != nil {
		return out, err
	}
	for _, q := range queues {
		out.queues[q.Name] = q
	}
	processors, err := all[processorRow, model.Processor](ctx, s, in(), "name")
	if err != nil {
		return out, err
	}
	for _, p := range processors {
		out.processors[p.Name] = p
	}
	return out, nil
}

// Assignments returns what the node is wanted to run: its deployments with
// their processors and endpoints, in the order of networks and names, without
// credentials.
func (s *Store) Assignments(ctx context.Context, node string) ([]model.Assignment, error) {
	out, err := s.Wanted(ctx, node)
	for i := range out {
		p := out[i].Processor
		if out[i].Sockets, err = s.EndpointsOf(ctx, p.Network, p.Name); err != nil {
			return nil, err
		}
	}
	return out, err
}

// Wanted is Assignments without the endpoints.
func (s *Store) Wanted(ctx context.Context, node string) ([]model.Assignment, error) {
	deployments, err := all[deploymentRow, model.Deployment](ctx, s, s.read.Where("node = ?", node), "network, name")
	if err != nil {
		return nil, err
	}
	out := make([]model.Assignment, 0, len(deployments))
	for _, d := range deployments {
		p, err := s.Processor(ctx, d.Network, d.Processor)
		if errors.Is(err, ErrNotFound) {
			continue // deleted since the deployments were read, and they with it
		}
		if err != nil {
			return nil, err
		}
		out = append(out, model.Assignment{Deployment: d, Processor: p})
	}
	return out, nil
}
