package root

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/contextfile"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/shortopt"
)

// all visits every command.
func all(cmd *cobra.Command, fn func(*cobra.Command)) {
	fn(cmd)
	for _, c := range cmd.Commands() {
		all(c, fn)
	}
}

// Help must cost nothing and work without a home, a server or a token.
func TestHelpOpensNothing(t *testing.T) {
	t.Parallel()
	quiet := func(name string) string { t.Errorf("%s was read", name); return "" }
	tree := NewCmd(newFactory(nil, nil, &syncBuffer{}, &syncBuffer{}))
	all(tree, func(c *cobra.Command) {
		path := strings.Fields(c.CommandPath())[1:]
		var out, errs syncBuffer
		f := newFactory(nil, nil, &out, &errs)
		f.Settings = func() (contextfile.Resolved, error) { quiet("the context file"); return contextfile.Resolved{}, nil }
		f.Client = func() (*client.Client, error) { quiet("the client"); return nil, nil }
		args := append(path, "--help")
		if c.Annotations[topic] != "" {
			args = append([]string{"help"}, path...)
		}
		if code := Run(t.Context(), f, args); code != 0 || errs.String() != "" {
			t.Errorf("flow %s: exit %d, %s", strings.Join(args, " "), code, errs.String())
		}
		if text := out.String(); c.Short == "" || len(text) < len(c.Short) {
			t.Errorf("flow %s: %q", strings.Join(args, " "), text)
		}
	})
}

func TestHelpTexts(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"help-task-run":      "task run --help",
		"help-add-socket":    "help add socket",
		"help-add":           "add",
		"help-exit-codes":    "help exit-codes",
		"help-environment":   "help environment",
		"help-values":        "help values",
		"help-short-h":       "ls queues -h",
		"help-topic-command": "exit-codes",
	} {
		golden(t, name, newAPI(t).run(strings.Fields(line)...))
	}
}

// A two-letter name wins over the same letters read as two options. That must
// never change what a documented option with its value behind it means.
func TestTwoLetterNames(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"add socket": "-pn", "add processor": "-br -mp", "update processor": "-br -mp", "update socket": "-pn",
		"task run": "-nd", "ls task": "-so", "ls calls": "-tk", "ls workers": "-pn", "ls tasks": "-pn",
	}
	tree := NewCmd(newFactory(nil, nil, &syncBuffer{}, &syncBuffer{}))
	got := map[string]string{}
	all(tree, func(c *cobra.Command) {
		seen := map[string]bool{}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			two := shortopt.Of(f)
			if two == "" {
				return
			}
			if seen[two] || f.Shorthand != "" {
				t.Errorf("%s has -%s twice, or --%s two short names", c.CommandPath(), two, f.Name)
			}
			seen[two] = true
			path := strings.TrimPrefix(c.CommandPath(), "flow ")
			got[path] = strings.TrimSpace(got[path] + " -" + two)
		})
	})
	for path, names := range want {
		if got[path] != names {
			t.Errorf("flow %s has %q, want %q", path, got[path], names)
		}
	}
}

func TestEveryOptionSaysWhatItDoes(t *testing.T) {
	t.Parallel()
	all(NewCmd(newFactory(nil, nil, &syncBuffer{}, &syncBuffer{})), func(c *cobra.Command) {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s has no text", c.CommandPath(), f.Name)
			}
		})
	})
}

func TestStatusVersionWhoami(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	ok := client.Health{OK: true, Message: "amqp://mq:5672"}
	a.give("GET /v1/status", client.Status{Version: "v1", Started: noon, UptimeMS: 61_000, Broker: ok, Backend: ok, Store: ok})
	if got := a.run("status"); got.code != 0 || !strings.Contains(got.out, "broker   ok      amqp://mq:5672") {
		t.Errorf("%+v", got)
	}
	a.give("GET /v1/status", client.Status{Version: "v1", Broker: client.Health{Message: "connection refused"}, Backend: ok, Store: ok})
	if got := a.run("status", "-o", "json"); got.code != 6 || !strings.Contains(got.out, `"connection refused"`) {
		t.Errorf("%+v", got)
	}
	a.give("GET /v1/version", client.Version{Version: "v9", API: "v1"})
	if got := a.run("version", "--remote"); got.code != 0 || !strings.Contains(got.out, "\nserver v9 API v1\n") {
		t.Errorf("%+v", got)
	}
	for _, args := range [][]string{{"version"}, {"--version"}} {
		if got := a.run(args...); !strings.HasPrefix(got.out, "flow "+factory.Version().Version) || got.code != 0 {
			t.Errorf("%v: %+v", args, got)
		}
	}
	var v struct{ Client factory.Build }
	if got := a.run("version", "-o", "json"); json.Unmarshal([]byte(got.out), &v) != nil || v.Client.Go == "" {
		t.Errorf("%+v", got)
	}
	a.refuse("GET /v1/whoami", 401, client.Problem{Code: client.CodeUnauthorized, Detail: "there is no token"})
	if got := a.run("whoami"); got.code != 4 || !strings.Contains(got.err, "next: make a context with 'flow up'") {
		t.Errorf("%+v", got)
	}
}

func TestDebugShowsNoSecret(t *testing.T) {
	t.Parallel()
	a := world(t)
	got := a.run("--debug", "ls", "networks")
	if !strings.Contains(got.err, "debug: GET "+a.server.URL+"/v1/networks") || strings.Contains(got.err, "flow_test") {
		t.Errorf("%+v", got)
	}
}

func TestContexts(t *testing.T) {
	t.Parallel()
	a := world(t)
	home := t.TempDir()
	s := surroundings{env: map[string]string{"XDG_CONFIG_HOME": home, "FLOW_SERVER": "", "FLOW_TOKEN": ""}}
	a.saveContext(home, "lab", contextfile.Context{Server: a.server.URL, Token: "flow_lab", Network: "bench"})
	a.saveContext(home, "home", contextfile.Context{Server: "http://127.0.0.1:1", Token: "flow_home"})
	if got := a.runWith(s, "context", "ls"); strings.Contains(got.out, "flow_") || !strings.Contains(got.out, "*        home  http://127.0.0.1:1") {
		t.Errorf("%+v", got)
	}
	if got := a.runWith(s, "ls", "nodes", "-o", "name"); got.code != 6 {
		t.Errorf("with the context home: %+v", got)
	}
	if got := a.runWith(s, "context", "use", "lab"); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if got := a.runWith(s, "ls", "processors", "-o", "name"); got.out != "proc1\n" || !strings.Contains(a.last().Line, "network=bench") {
		t.Errorf("with the context lab: %+v", got)
	}
	if got := a.runWith(s, "--context", "home", "context", "show", "-o", "json"); strings.Contains(got.out, "flow_") || !strings.Contains(got.out, `"http://127.0.0.1:1"`) {
		t.Errorf("%+v", got)
	}
	got := a.runWith(s, "--context", "labb", "ls", "nodes")
	if got.code != 3 || !strings.Contains(got.err, `did you mean "lab"?`) {
		t.Errorf("%+v", got)
	}
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	a := world(t)
	home := t.TempDir()
	path := filepath.Join(home, "flow", "config.json")
	s := surroundings{env: map[string]string{"XDG_CONFIG_HOME": home}}
	got := a.runWith(s, "--config", "--context", "new", "--network", "lab")
	if got.code != 0 || got.out != "Configuration file created at "+path+"\n" || !strings.Contains(got.err, "as admin") {
		t.Errorf("%+v", got)
	}
	file, err := contextfile.Load(path)
	if want := (contextfile.Context{Server: a.server.URL, Token: "flow_test", Network: "lab"}); err != nil || file.Current != "new" || file.Contexts["new"] != want {
		t.Errorf("%+v, %v", file, err)
	}
	token := filepath.Join(home, "token")
	if err := os.WriteFile(token, []byte("flow_file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := a.runWith(s, "-c", "--token-file", token); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if file, _ := contextfile.Load(path); file.Contexts["default"].Token != "flow_file" || len(file.Contexts) != 2 {
		t.Errorf("%+v", file)
	}
}

func TestConfigureAsks(t *testing.T) {
	t.Parallel()
	a := world(t)
	home := t.TempDir()
	var out, errs syncBuffer
	f := newFactory(map[string]string{"XDG_CONFIG_HOME": home}, strings.NewReader(a.server.URL+"\n\n"), &out, &errs)
	f.InTTY = true
	f.Secret = func() (string, error) { return "flow_typed", nil }
	if code := Run(t.Context(), f, []string{"-c"}); code != 0 {
		t.Fatal(errs.String())
	}
	file, err := contextfile.Load(filepath.Join(home, "flow", "config.json"))
	if want := (contextfile.Context{Server: a.server.URL, Token: "flow_typed", Network: "default"}); err != nil || file.Contexts["default"] != want {
		t.Errorf("%+v, %v", file, err)
	}
	if strings.Contains(out.String()+errs.String(), "flow_typed") {
		t.Error("the token was shown")
	}
}

// news answers with a stream of events.
func (a *api) news(events ...client.Event) {
	a.handle("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "event: ready\ndata: {}\n\n")
		for _, e := range events {
			data, _ := json.Marshal(e)
			fmt.Fprintf(w, "event: message\nid: %s\ndata: %s\n\n", e.ID, data)
		}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
}

func heard(channel, data string) client.Event {
	return client.Event{Channel: channel, ID: "1-0", Time: noon, Data: json.RawMessage(data)}
}

func TestListen(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.news(
		heard("pyfi.queue1.proc1.task", `{"channel": "task", "state": "received", "task": "do_this", "call": "c1"}`),
		heard("pyfi.queue1.proc1.task", `{"channel": "task", "state": "postrun", "task": "do_this", "call": "c1", "outcome": "failed", "duration": 0.012, "error": "ValueError", "message": "no"}`),
	)
	got := a.run("listen", "--name", "pyfi.queue1.proc1", "--channel", "task", "--count", "1")
	if got.out != `{"channel":"task","state":"received","task":"do_this","call":"c1"}`+"\n" || got.err != "Listening to pyfi.queue1.proc1\n" || got.code != 0 {
		t.Errorf("%+v", got)
	}
	if line := a.last().Line; line != "GET /v1/events?pattern=pyfi.queue1.proc1.task" {
		t.Errorf("asked %s", line)
	}
	got = a.run("listen", "-n", "proc1", "--count", "2", "-o", "table", "--since", "5m")
	if !strings.HasSuffix(got.out, "pyfi.queue1.proc1.task  postrun  do_this  c1  failed  12ms  ValueError: no\n") || !strings.Contains(a.last().Line, "since=") {
		t.Errorf("%+v", got)
	}
	if got := a.run("listen", "-n", "proc1", "--count", "3", "--timeout", "50ms"); got.code != 7 || !strings.Contains(got.err, "of 3 events") {
		t.Errorf("%+v", got)
	}
	if got := a.run("listen", "-n", "proc1", "--timeout", "50ms"); got.code != 0 {
		t.Errorf("%+v", got)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, interrupt)
	if got := a.runWith(surroundings{ctx: ctx}, "listen", "-n", "proc1"); got.code != 0 {
		t.Errorf("after Ctrl-C: %+v", got)
	}
}

func TestLogsOfProcessor(t *testing.T) {
	t.Parallel()
	a := world(t)
	a.news(
		heard("proc1.log", `{"channel": "log", "stream": "stdout", "line": "one", "date": "2026-03-01T12:00:00Z"}`),
		heard("proc1.log", `{"channel": "log", "stream": "stderr", "line": "two\u001b[1m", "date": "2026-03-01T12:00:01Z"}`),
	)
	if got := a.run("logs", "-n", "proc1", "--timestamps"); got.code != 0 || got.out != "2026-03-01 12:00:00.000  one\n2026-03-01 12:00:01.000  two\n" {
		t.Errorf("%+v", got)
	}
	if line := a.asked("GET /v1/events"); len(line) != 1 || !strings.Contains(line[0].Line, "pattern=proc1.log&since=") {
		t.Errorf("asked %v", line)
	}
	if got := a.run("logs", "-n", "nobody"); got.code != 3 {
		t.Errorf("%+v", got)
	}
}

func TestLogsFollowsACall(t *testing.T) {
	t.Parallel()
	a := world(t)
	a.give("GET /v1/calls/"+do3+"/result", client.Outcome{Submitted: client.Submitted{ID: do3, State: "succeeded"}})
	asked := 0
	a.handle("GET /v1/calls/"+do3, func(w http.ResponseWriter, _ *http.Request) {
		call := run1()[0]
		if asked++; asked < 3 {
			call = run1()[2]
		}
		giveJSON(w, call)
	})
	if got := a.run("logs", "--id", do3, "-f"); got.out != "working hard\nbeware\n" || got.code != 0 {
		t.Errorf("%+v", got)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	a := world(t)
	for line, want := range map[string]string{
		"__complete ls queue |":            "news\npyfi.queue1\n",
		"__complete ls queue -n |":         "news\npyfi.queue1\n",
		"__complete add socket -pn |":      "proc1\n",
		"__complete task run -s |":         doSome.Name + "\n" + doThis.Name + "\n",
		"__complete ls queues -o |":        "table\nwide\njson\nyaml\nname\n",
		"__complete ls call --id |":        do1 + "\t",
		"__complete add socket -pn x -q |": "news\npyfi.queue1\n",
	} {
		args := strings.Fields(line)
		args[len(args)-1] = ""
		if got := a.run(args...); !strings.HasPrefix(got.out, want) {
			t.Errorf("%s: %q", line, got.out)
		}
	}
	a.server.Close()
	if got := a.run("__complete", "ls", "queue", ""); !strings.HasPrefix(got.out, ":4") {
		t.Errorf("without a server: %+v", got)
	}
}
