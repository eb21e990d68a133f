package contexts

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/contextfile"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/model"
)

// Configure is "flow --config": it writes a context, from the options and the
// environment, and at a terminal by asking for the rest.
func Configure(ctx context.Context, f *factory.Factory) error {
	path, err := contextfile.Path(f.Env)
	if err != nil {
		return err
	}
	name := f.Options.Context
	if name == "" {
		name = "default"
	}
	file, err := contextfile.Load(path)
	if err != nil {
		return err
	}
	stored := file.Contexts[name]
	f.Options.Context = "" // it may be a new one
	given, err := f.Settings()
	if err != nil {
		return err
	}
	next := contextfile.Context{
		Server:  said(given.Server, stored.Server, client.DefaultServer),
		Token:   said(given.Token, stored.Token, ""),
		Network: said(given.Network, stored.Network, model.DefaultNetwork),
	}
	if f.InTTY {
		if next, err = ask(f, next); err != nil {
			return err
		}
	}
	if err := contextfile.Save(path, name, next); err != nil {
		return err
	}
	fmt.Fprintf(f.Out, "Configuration file created at %s\n", path)
	return greet(ctx, f, next)
}

// said is what an option or the environment says, else what the context had.
func said(s contextfile.Setting, stored, otherwise string) string {
	switch {
	case s.Origin == contextfile.FromFlag || s.Origin == contextfile.FromEnv:
		return s.Value
	case stored != "":
		return stored
	}
	return otherwise
}

// ask shows each value and lets the person change it; Enter keeps it.
func ask(f *factory.Factory, c contextfile.Context) (contextfile.Context, error) {
	in := bufio.NewReader(f.In)
	var err error
	if c.Server, err = prompt(f, in, "Flow server", c.Server); err != nil {
		return c, err
	}
	if c.Network, err = prompt(f, in, "Network", c.Network); err != nil {
		return c, err
	}
	kept := ""
	if c.Token != "" {
		kept = " [keep the one there is]"
	}
	fmt.Fprintf(f.Err, "Token (not shown)%s: ", kept)
	token, err := f.Secret()
	fmt.Fprintln(f.Err)
	if err != nil {
		return c, fmt.Errorf("read the token: %w", err)
	}
	if token = strings.TrimSpace(token); token != "" {
		c.Token = token
	}
	return c, nil
}

func prompt(f *factory.Factory, in *bufio.Reader, what, value string) (string, error) {
	fmt.Fprintf(f.Err, "%s [%s]: ", what, value)
	line, err := in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return value, fmt.Errorf("read the answer: %w", err)
	}
	if line = strings.TrimSpace(line); line != "" {
		return line, nil
	}
	return value, nil
}

// greet tries the context, so that a slip is found now and not later. The file
// is written all the same: the server may only be down.
func greet(ctx context.Context, f *factory.Factory, c contextfile.Context) error {
	speaker := client.New(client.Config{Server: c.Server, Token: c.Token, Network: c.Network})
	defer speaker.Close()
	who, err := speaker.WhoAmI(ctx)
	switch {
	case err == nil:
		f.Note("logged in to %s as %s", c.Server, who.User)
	case exit.Code(err) == exit.Usage:
		return err
	default:
		f.Note("warning: %v", err)
	}
	return nil
}
