package contextfile

import (
	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

// The places a setting can come from, nearest first.
const (
	FromFlag    = "option"
	FromEnv     = "environment"
	FromFile    = "context file"
	FromDefault = "default"
)

// Setting is a value and where it came from.
type Setting struct {
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

// Resolved is what a command uses.
type Resolved struct {
	// Name is the context's; empty when the file has none that is current.
	Name string
	// NameFrom is where the context's name came from.
	NameFrom string
	Server   Setting
	Token    Setting
	Network  Setting
	// Warning is something a person should know of; usually empty.
	Warning string
}

// Options are what was said on the command line; empty means nothing was.
type Options struct {
	Context, Server, Token, Network string
}

// Resolve finds what to use. A context that is named, by an option or the
// environment, must exist; env is os.Getenv.
func Resolve(o Options, env func(string) string) (Resolved, error) {
	var out Resolved
	name := first(Setting{o.Context, FromFlag}, Setting{env("FLOW_CONTEXT"), FromEnv})
	file := File{}
	path, err := Path(env)
	if err == nil {
		file, err = Load(path)
	}
	if err != nil && (name.Value != "" || o.Server == "" && env("FLOW_SERVER") == "") {
		return out, err // the file matters only where nothing nearer says what to use
	}
	chosen := first(name, Setting{file.Current, FromFile})
	out.Name, out.NameFrom = chosen.Value, chosen.Origin
	stored, ok := file.Contexts[out.Name]
	if !ok && name.Value != "" {
		return out, &UnknownContext{Name: name.Value, Known: file.Names()}
	}
	if !ok {
		out.Name, out.NameFrom = "", ""
	}
	out.Server = first(Setting{o.Server, FromFlag}, Setting{env("FLOW_SERVER"), FromEnv}, Setting{stored.Server, FromFile}, Setting{client.DefaultServer, FromDefault})
	out.Token = first(Setting{o.Token, FromFlag}, Setting{env("FLOW_TOKEN"), FromEnv}, Setting{stored.Token, FromFile})
	out.Network = first(Setting{o.Network, FromFlag}, Setting{env("FLOW_NETWORK"), FromEnv}, Setting{stored.Network, FromFile}, Setting{model.DefaultNetwork, FromDefault})
	if out.Token.Origin == FromFile && out.Server.Value != stored.Server && out.Server.Origin != FromDefault {
		// A token is for the server it was made by: another one must not see it.
		out.Token = Setting{}
		out.Warning = "the token of context " + out.Name + " is for " + stored.Server + " and is not shown to " + out.Server.Value
	}
	if file.Loose && out.Token.Origin == FromFile {
		out.Warning = "others may read the token in " + path + ": run chmod 600 " + path
	}
	return out, nil
}

// first returns the first setting that has a value.
func first(settings ...Setting) Setting {
	for _, s := range settings {
		if s.Value != "" {
			return s
		}
	}
	return Setting{}
}
