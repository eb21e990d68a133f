// Package factory is what commands get their surroundings from: streams,
// environment, settings and a client of the API. What costs something is a
// function, so that --help reads no file and opens no connection.
package factory

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/contextfile"
	"github.com/elasticcode/flow/cmd/flow/print"
)

// Options are the options of every command; the root command fills them.
type Options struct {
	Context   string
	Server    string
	TokenFile string
	Network   string
	Color     string // auto, always or never
	Debug     bool
}

// Factory is the surroundings of a command.
type Factory struct {
	In       io.Reader
	Out, Err io.Writer
	// Piped says that stdin is a pipe or a file: something to read to its end.
	Piped bool
	// InTTY, OutTTY and ErrTTY say which streams are a terminal.
	InTTY, OutTTY, ErrTTY bool
	// Env is os.Getenv.
	Env func(string) string
	// Now is time.Now.
	Now func() time.Time
	// Secret reads a line from the terminal without showing it.
	Secret func() (string, error)
	// Options are what was said on the command line.
	Options Options
	// Settings finds the server, token and network to use.
	Settings func() (contextfile.Resolved, error)
	// Client returns a client of the API; it opens no connection yet.
	Client func() (*client.Client, error)

	opened *client.Client // what Client returned; set once, by it
}

// Close closes the connections that commands have opened.
func (f *Factory) Close() {
	if f.opened != nil {
		f.opened.Close()
	}
}

// New returns the surroundings of this process.
func New() *Factory {
	f := &Factory{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTTY: isTerminal(os.Stdin), OutTTY: isTerminal(os.Stdout), ErrTTY: isTerminal(os.Stderr),
		Piped: isPiped(os.Stdin),
		Env:   os.Getenv, Now: time.Now, Secret: readSecret,
	}
	f.Settings = sync.OnceValues(f.settings)
	f.Client = sync.OnceValues(f.client)
	return f
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// isPiped is false for a terminal and for /dev/null, which say nothing.
func isPiped(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice == 0
}

func readSecret() (string, error) {
	b, err := term.ReadPassword(int(os.Stdin.Fd()))
	return string(b), err
}

func (f *Factory) settings() (contextfile.Resolved, error) {
	token, err := f.token()
	if err != nil {
		return contextfile.Resolved{}, err
	}
	got, err := contextfile.Resolve(contextfile.Options{
		Context: f.Options.Context, Server: f.Options.Server, Token: token, Network: f.Options.Network,
	}, f.Env)
	if got.Warning != "" {
		f.Note("warning: %s", got.Warning)
	}
	return got, err
}

func (f *Factory) client() (*client.Client, error) {
	s, err := f.Settings()
	if err != nil {
		return nil, err
	}
	config := client.Config{Server: s.Server.Value, Token: s.Token.Value, Network: s.Network.Value, UserAgent: "flow/" + Version().Version}
	if f.Options.Debug {
		config.HTTP = traced(f.Err)
	}
	f.opened = client.New(config)
	return f.opened, nil
}

// Note writes a line for the person at the terminal; never data.
func (f *Factory) Note(format string, args ...any) {
	fmt.Fprintln(f.Err, print.Line(fmt.Sprintf(format, args...)))
}

// Printer shows things in the format.
func (f *Factory) Printer(format print.Format) print.Printer {
	return print.Printer{Out: f.Out, Notes: f.Err, Format: format, Color: f.color(f.OutTTY)}
}

// Paint gives a word for stderr a style, where colours are shown.
func (f *Factory) Paint(s print.Style) func(string) string {
	p := print.Printer{Color: f.color(f.ErrTTY)}
	return func(text string) string { return p.Paint(s, text) }
}

// color tells whether to show colours on a stream: as the option says, else as
// the usual variables say, else on a terminal only.
func (f *Factory) color(tty bool) bool {
	switch f.Options.Color {
	case "always":
		return true
	case "never":
		return false
	}
	switch force := f.Env("CLICOLOR_FORCE"); {
	case f.Env("NO_COLOR") != "":
		return false
	case force != "" && force != "0":
		return true
	}
	return tty && f.Env("CLICOLOR") != "0" && f.Env("TERM") != "dumb"
}
