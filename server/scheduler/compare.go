package scheduler

import "github.com/elasticcode/flow/model"

// compare returns what has to change so that the deployments are as placed.
// Deployments that a person made are left alone. Those on a node that is down
// are removed only when the processor has found another place: when nothing
// else is alive, the node coming back finds its work as it was.
func compare(places []*place, index map[string]*place, deployments []model.Deployment) (put []model.Deployment, remove []string) {
	have := map[string]model.Deployment{}
	manual := map[string]int{}
	for _, d := range deployments {
		key := d.Network + "/" + d.Processor + "@" + d.Node
		pl := index[d.Network+"/"+d.Processor]
		switch {
		case d.Manual:
			manual[key] += d.CPUs
		case pl == nil, pl.total > 0 && pl.nodes[d.Node] == 0:
			remove = append(remove, d.ID)
		default:
			have[key] = d
		}
	}
	for _, pl := range places {
		for node, cpus := range pl.nodes {
			key := pl.p.Network + "/" + pl.p.Name + "@" + node
			cpus -= manual[key]
			d, ok := have[key]
			switch {
			case cpus <= 0 && ok:
				remove = append(remove, d.ID)
			case cpus <= 0 || ok && d.CPUs == cpus:
			case ok:
				d.CPUs = cpus
				put = append(put, d)
			default:
				put = append(put, model.Deployment{
					Object:    model.Object{ID: model.DeriveID("deployment", pl.p.ID, node), Network: pl.p.Network, Name: pl.p.Name + "." + node},
					Processor: pl.p.Name, Node: node, CPUs: cpus, Status: model.StatusReady,
				})
			}
		}
	}
	return put, remove
}
