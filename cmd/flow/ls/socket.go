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

// NewCmdSockets returns "flow ls sockets".
func NewCmdSockets(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd, _ := newCmdList(f, "sockets", "List sockets", runF, func(ctx context.Context, o *Options) error {
		return list(ctx, o, func(c *client.Client) client.Lister[model.Socket] { return c.Sockets().Lister }, view.Sockets())
	})
	return cmd
}

// NewCmdSocket returns "flow ls socket".
func NewCmdSocket(f *factory.Factory, runF func(context.Context, *OneOptions) error) *cobra.Command {
	return newCmdOne(f, "socket", "Show a socket and the plugs around it", complete.Sockets, runF, socketRun)
}

func socketRun(ctx context.Context, o *OneOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	s, err := c.Sockets().Get(ctx, o.Name)
	if err != nil {
		return err
	}
	p := o.Printer(o.Format)
	return print.One(p, view.Sockets(), s, func() error {
		plugs, err := c.Plugs().All(ctx)
		if err != nil {
			return err
		}
		return section(p, "Plugs", view.Plugs().Columns, only(plugs, func(e model.Plug) bool { return e.Source == s.Name || e.Target == s.Name }))
	})
}

// NewCmdPlugs returns "flow ls plugs".
func NewCmdPlugs(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd, _ := newCmdList(f, "plugs", "List plugs", runF, func(ctx context.Context, o *Options) error {
		return list(ctx, o, func(c *client.Client) client.Lister[model.Plug] { return c.Plugs().Lister }, view.Plugs())
	})
	return cmd
}

// NewCmdPlug returns "flow ls plug".
func NewCmdPlug(f *factory.Factory, runF func(context.Context, *OneOptions) error) *cobra.Command {
	return newCmdOne(f, "plug", "Show a plug and the sockets at its ends", complete.Plugs, runF, plugRun)
}

func plugRun(ctx context.Context, o *OneOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	plug, err := c.Plugs().Get(ctx, o.Name)
	if err != nil {
		return err
	}
	p := o.Printer(o.Format)
	return print.One(p, view.Plugs(), plug, func() error {
		source, err := c.Sockets().Get(ctx, plug.Source)
		if err != nil {
			return err
		}
		target, err := c.Sockets().Get(ctx, plug.Target)
		if err != nil {
			return err
		}
		return section(p, "Source and target", view.Sockets().Columns, []model.Socket{source, target})
	})
}
