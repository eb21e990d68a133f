package contextfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env  func(string) string
		want string
	}{
		{environment("XDG_CONFIG_HOME", "/x", "HOME", "/h"), "/x/flow/config.json"},
		{environment("XDG_CONFIG_HOME", "relative", "HOME", "/h"), "/h/.config/flow/config.json"},
		{environment("HOME", "/h"), "/h/.config/flow/config.json"},
	} {
		if got, err := Path(c.env); got != c.want || err != nil {
			t.Errorf("Path = %q, %v; want %q", got, err, c.want)
		}
	}
	if _, err := Path(environment()); err == nil {
		t.Error("Path without a home: want an error")
	}
}

func TestSaveAndUse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "flow", "config.json")
	first := Context{Server: "http://one", Token: "flow_1"}
	if err := Save(path, "one", first); err != nil {
		t.Fatal(err)
	}
	if err := Save(path, "two", Context{Server: "http://two", Network: "lab"}); err != nil {
		t.Fatal(err)
	}
	f, err := Load(path)
	if err != nil || f.Current != "two" || f.Contexts["one"] != first || f.Loose {
		t.Fatalf("Load = %+v, %v", f, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v", info.Mode())
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("files were left beside it: %v", left)
	}
	if err := Use(path, "one"); err != nil {
		t.Fatal(err)
	}
	if f, _ := Load(path); f.Current != "one" || len(f.Contexts) != 2 {
		t.Errorf("after Use: %+v", f)
	}
	var unknown *UnknownContext
	if err := Use(path, "three"); !errors.As(err, &unknown) || strings.Join(unknown.Known, " ") != "one two" {
		t.Errorf("Use of an unknown context: %v", err)
	}
}

func TestLoadBroken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.json")
	if f, err := Load(path); err != nil || f.Contexts == nil {
		t.Errorf("Load of no file = %+v, %v", f, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "flow --config") {
		t.Errorf("Load of a broken file: %v", err)
	}
	if err := Save(path, "x", Context{}); err == nil {
		t.Error("Save over a broken file: want an error, the file may hold what its owner needs")
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "flow", "config.json")
	for name, c := range map[string]Context{
		"lab":  {Server: "http://lab", Token: "flow_lab", Network: "bench"},
		"home": {Server: "http://home", Token: "flow_home"},
	} {
		if err := Save(path, name, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := Use(path, "home"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		options Options
		env     []string
		want    string
	}{
		{"the file's current context", Options{}, nil, "home http://home flow_home default"},
		{"a context by the environment", Options{}, []string{"FLOW_CONTEXT", "lab"}, "lab http://lab flow_lab bench"},
		{"an option over the environment", Options{Context: "home"}, []string{"FLOW_CONTEXT", "lab"}, "home http://home flow_home default"},
		{"fields by the environment", Options{}, []string{"FLOW_SERVER", "http://env", "FLOW_TOKEN", "flow_env", "FLOW_NETWORK", "net"}, "home http://env flow_env net"},
		{"fields by options", Options{Server: "http://opt", Token: "flow_opt", Network: "o"}, []string{"FLOW_SERVER", "http://env", "FLOW_TOKEN", "flow_env", "FLOW_NETWORK", "net"}, "home http://opt flow_opt o"},
		{"a stored token stays with its server", Options{Server: "http://elsewhere"}, nil, "home http://elsewhere  default"},
		{"the same server by name", Options{Server: "http://home"}, nil, "home http://home flow_home default"},
	} {
		got, err := Resolve(c.options, environment(append(c.env, "XDG_CONFIG_HOME", dir)...))
		text := strings.Join([]string{got.Name, got.Server.Value, got.Token.Value, got.Network.Value}, " ")
		if withheld := strings.Contains(got.Warning, "not shown to http://elsewhere"); withheld != (c.options.Server == "http://elsewhere") {
			t.Errorf("%s: the warning is %q", c.name, got.Warning)
		}
		if err != nil || text != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, text, err, c.want)
		}
	}

	var unknown *UnknownContext
	if _, err := Resolve(Options{Context: "none"}, environment("XDG_CONFIG_HOME", dir)); !errors.As(err, &unknown) {
		t.Errorf("a context that does not exist: %v", err)
	}
	got, err := Resolve(Options{}, environment("HOME", t.TempDir()))
	if err != nil || got.Server.Value != "http://127.0.0.1:8700" || got.Server.Origin != FromDefault || got.Token.Value != "" {
		t.Errorf("without a file: %+v, %v", got, err)
	}
	if got, err := Resolve(Options{Server: "http://x"}, environment()); err != nil || got.Server.Value != "http://x" {
		t.Errorf("without a home, with a server: %+v, %v", got, err)
	}
}

func TestResolveWarnsOfLoosePermissions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "flow", "config.json")
	if err := Save(path, "home", Context{Server: "http://home", Token: "flow_home"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Resolve(Options{}, environment("XDG_CONFIG_HOME", dir))
	if err != nil || !strings.Contains(got.Warning, "chmod 600") || strings.Contains(got.Warning, "flow_home") {
		t.Errorf("warning %q, %v", got.Warning, err)
	}
	if got, _ := Resolve(Options{Token: "flow_x"}, environment("XDG_CONFIG_HOME", dir)); got.Warning != "" {
		t.Errorf("a warning of a token that is not used: %q", got.Warning)
	}
}
