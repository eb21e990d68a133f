package root

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

func TestListings(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"ls-networks":           "ls networks",
		"ls-network":            "ls network default",
		"ls-queues":             "ls queues",
		"ls-queues-wide":        "ls queues -o wide",
		"ls-queues-json":        "ls queues -o json",
		"ls-queues-yaml":        "ls queues -o yaml",
		"ls-queues-name":        "ls queues -o name",
		"ls-queue":              "ls queue -n pyfi.queue1",
		"ls-processors":         "ls processors",
		"ls-processor":          "ls processor proc1",
		"ls-processor-json":     "ls processor -n proc1 -o json",
		"ls-sockets":            "ls sockets",
		"ls-socket":             "ls socket -n pyfi.processors.sample.do_this",
		"ls-plugs":              "ls plugs",
		"ls-plug":               "ls plug -n plug1",
		"ls-tasks":              "ls tasks",
		"ls-task":               "ls task -n do_this -so -p",
		"ls-task-source":        "ls task do_this -s",
		"ls-nodes":              "ls nodes",
		"ls-node":               "ls node -n localhost",
		"ls-agents":             "ls agents",
		"ls-agent":              "ls agent localhost.agent",
		"ls-workers":            "ls workers -pn proc1 -h localhost",
		"ls-worker":             "ls worker -n localhost.proc1.1",
		"ls-worker-unknown":     "ls worker -n nobody",
		"ls-deployments":        "ls deployments",
		"ls-deployment":         "ls deployment proc1.localhost",
		"ls-calls":              "ls calls",
		"ls-calls-more":         "ls calls -t -tk --color always",
		"ls-calls-json":         "ls calls -o json",
		"ls-calls-ids":          "ls calls -i",
		"ls-call":               "ls call --id " + do1,
		"ls-call-failed":        "ls call --id " + do4,
		"ls-call-tree":          "ls call --id " + do1 + " --tree",
		"ls-call-tree-color":    "ls call --id " + do1 + " --tree --color always",
		"ls-call-graph":         "ls call " + do1 + " -g",
		"ls-call-flow":          "ls call --id " + do4 + " -f",
		"ls-call-result":        "ls call --id " + do1 + " --result",
		"ls-call-result-text":   "ls call --id " + do2 + " -r",
		"ls-call-result-none":   "ls call --id " + do3 + " -r",
		"ls-call-result-failed": "ls call --id " + do4 + " -r",
		"ls-call-result-json":   "ls call --id " + do2 + " -r -o json",
		"ls-tokens":             "ls tokens",
		"task-show":             "task show do_this",
		"task-code":             "task code -n do_this",
		"logs-call":             "logs --id " + do1,
		"logs-call-running":     "logs --id " + do3,
		"whoami":                "whoami -o json",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, name, world(t).run(strings.Fields(line)...))
		})
	}
}

// Programs rely on these keys: they are there whatever the call's state.
func TestCallsAsJSONHaveAllKeys(t *testing.T) {
	t.Parallel()
	got := world(t).run("ls", "calls", "-o", "json")
	var calls []map[string]json.RawMessage
	if err := json.Unmarshal([]byte(got.out), &calls); err != nil {
		t.Fatalf("%v in %s", err, got.out)
	}
	if len(calls) != 4 {
		t.Fatalf("%d calls", len(calls))
	}
	for _, c := range calls {
		for _, key := range []string{"id", "tracking", "parents", "socket", "state", "attempt", "created", "started", "finished", "result"} {
			if _, ok := c[key]; !ok {
				t.Errorf("call %s has no %s", c["id"], key)
			}
		}
	}
	if string(calls[0]["result"]) == "null" || string(calls[2]["result"]) != "null" {
		t.Errorf("results are %s and %s", calls[0]["result"], calls[2]["result"])
	}
}

func TestEmptyListings(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	list[model.Queue](a, "GET /v1/queues")
	list[model.Call](a, "GET /v1/calls")
	if got := a.run("ls", "queues", "-o", "json"); got.out != "[]\n" || got.err != "" {
		t.Errorf("queues as JSON: %+v", got)
	}
	if got := a.run("ls", "calls", "-o", "yaml"); strings.TrimSpace(got.out) != "[]" {
		t.Errorf("calls as YAML: %+v", got)
	}
	if got := a.run("ls", "queues", "-o", "name"); got.out != "" || got.err != "" {
		t.Errorf("queues as names: %+v", got)
	}
	if got := a.run("ls", "queues"); !strings.HasPrefix(got.out, "Name") || got.err != "there are no queues\n" {
		t.Errorf("queues as a table: %+v", got)
	}
}

func TestCallFilters(t *testing.T) {
	t.Parallel()
	a := world(t)
	got := a.run("ls", "calls", "--socket", "s", "--state", "FAILED", "--run", track, "-u", "-a", "-r", "7")
	if got.code != 0 {
		t.Fatal(got)
	}
	want := "GET /v1/calls?limit=7&network=default&order=asc&run=" + track + "&socket=s&state=failed&unfinished=true"
	if line := a.last().Line; line != want {
		t.Errorf("asked %s, want %s", line, want)
	}
	before := time.Now()
	got = a.run("ls", "calls", "--since", "2h", "--until", "2026-03-01")
	if got.code != 2 {
		t.Errorf("a period that ends before it begins: %+v", got)
	}
	got = a.run("ls", "calls", "--since", "2h", "--until", "2999-03-01")
	asked, err := url.Parse(strings.TrimPrefix(a.last().Line, "GET "))
	if got.code != 0 || err != nil {
		t.Fatal(got, err)
	}
	since, err := time.Parse(time.RFC3339Nano, asked.Query().Get("since"))
	if ago := before.Sub(since); err != nil || ago > 2*time.Hour || ago < 2*time.Hour-time.Minute || asked.Query().Get("until") != "2999-03-01T00:00:00Z" {
		t.Errorf("asked %s: %v", asked, err)
	}
	for _, bad := range []string{"--since yesterday", "-p 0", "-r 0", "-r -1", "--all -p 2", "-i -o json"} {
		if got := a.run(append([]string{"ls", "calls"}, strings.Fields(bad)...)...); got.code != 2 {
			t.Errorf("ls calls %s: %+v", bad, got)
		}
	}
}

func TestPagesOfCalls(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	const total = 1203
	more := false // set before the request that it is for
	a.handle("GET /v1/calls", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		var limit, from int
		_ = json.Unmarshal([]byte(q.Get("limit")), &limit)
		_ = json.Unmarshal([]byte(q.Get("cursor")), &from)
		page := model.Page[model.Call]{Total: total, AtLeast: more}
		for i := from; i < min(from+limit, total); i++ {
			number, _ := json.Marshal(i)
			page.Items = append(page.Items, model.Call{ID: string(number)})
		}
		if from+limit < total {
			next, _ := json.Marshal(from + limit)
			page.Next = string(next)
		}
		giveJSON(w, page)
	})
	for _, c := range []struct {
		args, first, last string
		count             int
	}{
		{"", "0", "99", 100},
		{"-p 2 -r 10", "10", "19", 10},
		{"-p 3 -r 500", "1000", "1202", 203},
		{"-p 3 -r 450", "900", "1202", 303},
		{"-r 700", "0", "699", 700},
		{"--all", "0", "1202", 1203},
		{"-p 99", "", "", 0},
	} {
		got := a.run(append([]string{"ls", "calls", "-o", "name"}, strings.Fields(c.args)...)...)
		ids := strings.Fields(got.out)
		if len(ids) != c.count || c.count > 0 && (ids[0] != c.first || ids[len(ids)-1] != c.last) {
			t.Errorf("ls calls %s: %d ids: %.40s", c.args, len(ids), got.out)
		}
	}
	if got := a.run("ls", "calls", "-p", "2", "-r", "10"); !strings.Contains(got.err, "page 2 of 121, 1203 calls in all") {
		t.Errorf("note: %q", got.err)
	}
	more = true
	if got := a.run("ls", "calls", "-p", "2", "-r", "10"); !strings.Contains(got.err, "page 2, more than 1203 calls in all") {
		t.Errorf("note of a listing that is not counted to its end: %q", got.err)
	}
}

func TestQueuesWithoutBroker(t *testing.T) {
	t.Parallel()
	a := world(t)
	a.refuse("GET /v1/queues/news/depth", http.StatusServiceUnavailable, client.Problem{Code: client.CodeUnavailable, Detail: "the broker does not answer"})
	got := a.run("ls", "queues", "-o", "json")
	var queues []struct {
		Name     string
		Messages *int64
	}
	if err := json.Unmarshal([]byte(got.out), &queues); err != nil || got.code != 0 {
		t.Fatalf("%v: %+v", err, got)
	}
	if queues[0].Messages != nil || queues[1].Messages == nil || *queues[1].Messages != 4 {
		t.Errorf("messages: %+v", queues)
	}
	if !strings.Contains(got.err, "warning: how many calls wait in news is not known: the broker does not answer") {
		t.Errorf("stderr: %q", got.err)
	}
}

func TestServerErrors(t *testing.T) {
	t.Parallel()
	for code, p := range map[int]client.Problem{
		2: {Code: client.CodeInvalid, Status: 422, Detail: "the module does not exist"},
		3: {Code: client.CodeNotFound, Status: 404, Detail: `queue "pyfi.queu1" was not found`, Suggestions: []string{"pyfi.queue1"}, Hint: "flow ls queues"},
		4: {Code: client.CodeUnauthorized, Status: 401, Detail: "the token is not valid"},
		5: {Code: client.CodeConflict, Status: 409, Detail: "socket x uses it", Hint: "delete the socket first"},
		6: {Code: client.CodeUnavailable, Status: 503, Detail: "the broker does not answer"},
		7: {Code: client.CodeTimeout, Status: 504, Detail: "the database did not answer in time"},
		1: {Code: client.CodeInternal, Status: 500, Detail: "a fault"},
	} {
		a := newAPI(t)
		a.refuse("GET /v1/queues/q", p.Status, p)
		got := a.run("ls", "queue", "-n", "q")
		if got.code != code || got.out != "" || !strings.HasPrefix(got.err, "error: "+p.Detail+"\n") {
			t.Errorf("%s: %+v, want exit %d", p.Code, got, code)
		}
		for _, s := range p.Suggestions {
			if !strings.Contains(got.err, "did you mean \""+s+"\"?\n") {
				t.Errorf("%s: no suggestion in %q", p.Code, got.err)
			}
		}
	}
}
