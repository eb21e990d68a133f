package view

import (
	"strconv"

	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/model"
)

// Nodes shows nodes.
func Nodes() print.View[model.Node] {
	return print.View[model.Node]{
		Kind: "nodes",
		Name: func(n model.Node) string { return n.Name },
		Columns: append([]print.Column[model.Node]{
			{Title: "Name", Text: func(n model.Node) string { return n.Name }},
			{Title: "Status", Text: func(n model.Node) string { return string(n.Status) }, Style: func(n model.Node) print.Style { return print.StyleOfStatus(n.Status) }},
			{Title: "CPUs", Right: true, Text: func(n model.Node) string { return strconv.Itoa(n.Cores) }},
			{Title: "Load", Text: func(n model.Node) string { return n.Load }},
			{Title: "Mem Size", Right: true, Text: func(n model.Node) string { return print.Bytes(n.Memory) }},
			{Title: "Free Mem", Right: true, Text: func(n model.Node) string { return print.Bytes(n.MemFree) }},
			{Title: "Platform", Text: func(n model.Node) string { return n.Platform }},
		}, about(func(n model.Node) model.Object { return n.Object })...),
	}
}

// Agents shows agents.
func Agents() print.View[model.Agent] {
	return print.View[model.Agent]{
		Kind: "agents",
		Name: func(a model.Agent) string { return a.Name },
		Columns: append([]print.Column[model.Agent]{
			{Title: "Name", Text: func(a model.Agent) string { return a.Name }},
			{Title: "Node", Text: func(a model.Agent) string { return a.Node }},
			{Title: "Status", Text: func(a model.Agent) string { return string(a.Status) }, Style: func(a model.Agent) print.Style { return print.StyleOfStatus(a.Status) }},
			{Title: "CPUs", Right: true, Text: func(a model.Agent) string { return strconv.Itoa(a.CPUs) }},
			{Title: "PID", Right: true, Text: func(a model.Agent) string { return print.Count(int64(a.PID)) }},
			{Title: "Version", Text: func(a model.Agent) string { return a.Version }},
			{Title: "Heartbeat", Text: func(a model.Agent) string { return print.Time(a.Beat) }},
			{Title: "Started", Wide: true, Text: func(a model.Agent) string { return print.Time(a.Started) }},
		}, about(func(a model.Agent) model.Object { return a.Object })...),
	}
}

// Workers shows workers.
func Workers() print.View[model.Worker] {
	return print.View[model.Worker]{
		Kind: "workers",
		Name: func(w model.Worker) string { return w.Name },
		Columns: []print.Column[model.Worker]{
			{Title: "Name", Text: func(w model.Worker) string { return w.Name }},
			{Title: "Processor", Text: func(w model.Worker) string { return w.Processor }},
			{Title: "Node", Text: func(w model.Worker) string { return w.Node }},
			{Title: "Status", Text: func(w model.Worker) string { return string(w.Status) }, Style: func(w model.Worker) print.Style { return print.StyleOfStatus(w.Status) }},
			{Title: "PID", Right: true, Text: func(w model.Worker) string { return print.Count(int64(w.PID)) }},
			{Title: "Restarts", Right: true, Text: func(w model.Worker) string { return strconv.Itoa(w.Restarts) }},
			{Title: "Started", Text: func(w model.Worker) string { return print.TimeOf(w.Started) }},
			{Title: "Commit", Text: func(w model.Worker) string { return short(w.Commit) }},
			{Title: "Deployment", Wide: true, Text: func(w model.Worker) string { return w.Deployment }},
			{Title: "ID", Wide: true, Text: func(w model.Worker) string { return w.ID }},
			{Title: "Message", Text: func(w model.Worker) string { return w.Message }},
		},
	}
}

// Deployments shows deployments.
func Deployments() print.View[model.Deployment] {
	return print.View[model.Deployment]{
		Kind: "deployments",
		Name: func(d model.Deployment) string { return d.Name },
		Columns: append([]print.Column[model.Deployment]{
			{Title: "Name", Text: func(d model.Deployment) string { return d.Name }},
			{Title: "Processor", Text: func(d model.Deployment) string { return d.Processor }},
			{Title: "Hostname", Text: func(d model.Deployment) string { return d.Node }},
			{Title: "CPUs", Right: true, Text: func(d model.Deployment) string { return strconv.Itoa(d.CPUs) }},
			{Title: "Status", Text: func(d model.Deployment) string { return string(d.Status) }, Style: func(d model.Deployment) print.Style { return print.StyleOfStatus(d.Status) }},
			{Title: "Placed By", Text: func(d model.Deployment) string {
				if d.Manual {
					return "person"
				}
				return "scheduler"
			}},
		}, about(func(d model.Deployment) model.Object { return d.Object })...),
	}
}
