package ls

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// NewCmdNetworks returns "flow ls networks".
func NewCmdNetworks(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd, _ := newCmdList(f, "networks", "List networks", runF, func(ctx context.Context, o *Options) error {
		return list(ctx, o, func(c *client.Client) client.Lister[model.Network] { return c.Networks().Lister }, view.Networks())
	})
	return cmd
}

// NewCmdNetwork returns "flow ls network".
func NewCmdNetwork(f *factory.Factory, runF func(context.Context, *OneOptions) error) *cobra.Command {
	return newCmdOne(f, "network", "Show a network as a tree of what is in it", complete.Networks, runF, networkRun)
}

func networkRun(ctx context.Context, o *OneOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	n, err := c.Networks().Get(ctx, o.Name)
	if err != nil {
		return err
	}
	p := o.Printer(o.Format)
	if p.Structured() || p.Format == print.Name {
		return print.One(p, view.Networks(), n, nil)
	}
	held, err := fetch(ctx, c.In(n.Name))
	if err != nil {
		return err
	}
	return print.Tree(o.Out, held.tree(p, n))
}

// contents is what a network holds.
type contents struct {
	nodes      []model.Node
	workers    []model.Worker
	queues     []model.Queue
	processors []model.Processor
	sockets    []model.Socket
	plugs      []model.Plug
}

func fetch(ctx context.Context, c *client.Client) (contents, error) {
	var out contents
	var err error
	if out.nodes, err = c.Nodes().All(ctx); err != nil {
		return out, err
	}
	if out.workers, err = c.Workers().All(ctx); err != nil {
		return out, err
	}
	if out.queues, err = c.Queues().All(ctx); err != nil {
		return out, err
	}
	if out.processors, err = c.Processors().All(ctx); err != nil {
		return out, err
	}
	if out.sockets, err = c.Sockets().All(ctx); err != nil {
		return out, err
	}
	out.plugs, err = c.Plugs().All(ctx)
	return out, err
}

func (h contents) tree(p print.Printer, n model.Network) *print.Node {
	root := branch(p, "network", n.Name, "")
	for _, node := range h.nodes {
		at := root.Add(branch(p, "node", node.Name, p.Paint(print.StyleOfStatus(node.Status), string(node.Status))))
		for _, w := range h.workers {
			if w.Node == node.Name {
				at.Add(branch(p, "worker", w.Name, p.Paint(print.StyleOfStatus(w.Status), string(w.Status))))
			}
		}
	}
	for _, q := range h.queues {
		root.Add(branch(p, "queue", q.Name, string(q.Type)))
	}
	for _, proc := range h.processors {
		at := root.Add(branch(p, "processor", proc.Name, p.Paint(print.StyleOfStatus(proc.Status), string(proc.Status))))
		for _, s := range h.sockets {
			if s.Processor == proc.Name {
				h.plugsOf(p, at.Add(branch(p, "socket", s.Name, "task "+print.Line(s.Task)+", queue "+print.Line(s.Queue))), s)
			}
		}
	}
	return root
}

func (h contents) plugsOf(p print.Printer, at *print.Node, s model.Socket) {
	for _, e := range h.plugs {
		if e.Source != s.Name {
			continue
		}
		to := "→ " + e.Target
		if e.Argument != "" {
			to += " (argument " + e.Argument + ")"
		}
		if e.Type == model.PlugError {
			to += " on error"
		}
		at.Add(branch(p, "plug", e.Name, print.Line(to)))
	}
}

func branch(p print.Printer, kind, name, more string) *print.Node {
	label := p.Paint(print.Faint, kind) + " " + p.Paint(print.Bold, print.Line(name))
	if more != "" {
		label += "  " + more
	}
	return &print.Node{Label: label}
}
