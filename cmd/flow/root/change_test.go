package root

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

func TestAddUpdateDelete(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		sent string // the request, and its body
		out  string
	}{
		{"add network -n lab", `POST /v1/networks {"name":"lab"}`, "network lab added\n"},
		{"add queue -n pyfi.queue1 -t direct", `POST /v1/queues?network=default {"name":"pyfi.queue1","type":"direct"}`, "direct queue pyfi.queue1 added\n"},
		{
			"add queue -n q -t FANOUT --message-ttl 30s --max-messages 10 --max-bytes 2048 --expires 1h",
			`POST /v1/queues?network=default {"name":"q","type":"fanout","message_ttl_ms":30000,"max_messages":10,"max_bytes":2048,"expires_ms":3600000}`,
			"fanout queue q added\n",
		},
		{
			"add processor -n proc1 -g https://github.com/radiantone/pyfi-processors -m pyfi.processors.sample -h localhost -c 5",
			`POST /v1/processors?network=default {"name":"proc1","gitrepo":"https://github.com/radiantone/pyfi-processors","module":"pyfi.processors.sample","runtime":"python","hostname":"localhost","concurrency":5}`,
			"processor proc1 added: pyfi.processors.sample at commit 955e44e012, 5 wanted\n",
		},
		{
			"add processor -n p -g git@host:repo.git -m m -w 2 -br dev -mp src --python python3.11",
			`POST /v1/processors?network=default {"name":"p","gitrepo":"git@host:repo.git","branch":"dev","module":"m","modulepath":"src","runtime":"python","interpreter":"python3.11","concurrency":2}`,
			"processor p added: m at commit 955e44e012, 2 wanted\n",
		},
		{
			"add processor -n p -g /srv/none -m bin --commit abc --runtime shell",
			`POST /v1/processors?network=default {"name":"p","gitrepo":"/srv/none","commit":"abc","module":"bin","runtime":"shell","concurrency":1}`,
			"processor p added: bin at commit abc, 1 wanted\n",
		},
		{
			"add socket -n pyfi.processors.sample.do_this -q pyfi.queue1 -pn proc1 -t do_this",
			`POST /v1/sockets?network=default {"name":"pyfi.processors.sample.do_this","processor":"proc1","queue":"pyfi.queue1","task":"do_this","max_attempts":1,"backoff_ms":1000,"backoff_max_ms":60000,"timeout_ms":900000,"join":"zip"}`,
			"socket pyfi.processors.sample.do_this added: do_this of processor proc1 on queue pyfi.queue1\n",
		},
		{
			"add socket -n s -q q -pn=p -t f --retries 4 --backoff 2m --timeout 30s --join latest",
			`POST /v1/sockets?network=default {"name":"s","processor":"p","queue":"q","task":"f","max_attempts":5,"backoff_ms":120000,"backoff_max_ms":120000,"timeout_ms":30000,"join":"latest"}`,
			"socket s added: f of processor p on queue q\n",
		},
		{
			"add socket -n s -q q -pn p -t f --rate 90/m --burst 20 --max-running 3 --queue-timeout 5m",
			`POST /v1/sockets?network=default {"name":"s","processor":"p","queue":"q","task":"f","max_attempts":1,"backoff_ms":1000,"backoff_max_ms":60000,"timeout_ms":900000,"join":"zip","rate":"90/m","burst":20,"max_running":3,"queue_timeout_ms":300000}`,
			"socket s added: f of processor p on queue q\n",
		},
		{
			"add processor -n p -g git@host:repo.git -m m --rate 100/S --burst 100",
			`POST /v1/processors?network=default {"name":"p","gitrepo":"git@host:repo.git","module":"m","runtime":"python","concurrency":1,"rate":"100/s","burst":100}`,
			"processor p added: m at commit 955e44e012, 1 wanted\n",
		},
		{
			"update processor proc1 --rate none",
			`PATCH /v1/processors/proc1?network=default {"rate":"none"}`,
			"processor proc1 updated: pyfi.processors.sample at commit 955e44e012, 5 wanted\n",
		},
		{
			"update socket s1 --rate 0 --burst 0 --max-running 0 --queue-timeout 0",
			`PATCH /v1/sockets/s1?network=default {"rate":"none","burst":0,"max_running":0,"queue_timeout_ms":0}`, "socket s1 updated\n",
		},
		{"update socket s1 --burst 3", `PATCH /v1/sockets/s1?network=default {"burst":3}`, "socket s1 updated\n"},
		{
			"add plug -n plug1 -q pyfi.queue2 -s a -t b",
			`POST /v1/plugs?network=default {"name":"plug1","type":"RESULT","source":"a","target":"b","queue":"pyfi.queue2"}`,
			"plug plug1 added: a → b\n",
		},
		{
			"--network lab add plug -n p -s a -t b -a one --type error",
			`POST /v1/plugs?network=lab {"name":"p","type":"ERROR","source":"a","target":"b","argument":"one"}`,
			"plug p added: a → b\n",
		},
		{
			"add deployment -n proc1 -d proc1.d1 -h node2 -c 4",
			`POST /v1/deployments?network=default {"name":"proc1.d1","processor":"proc1","node":"node2","cpus":4}`,
			"deployment proc1.d1 added: processor proc1 with 4 CPUs on node2\n",
		},
		{"add token -n laptop -u ana --scope agent --expires 24h", `POST /v1/tokens {"user":"ana","name":"laptop","scope":"agent","expires_ms":86400000}`, "flow_secret\n"},
		{"update queue pyfi.queue1 --max-messages 0", `PATCH /v1/queues/pyfi.queue1?network=default {"max_messages":0}`, "queue pyfi.queue1 updated\n"},
		{
			"update processor -n proc1 -w 8 --hostname= --branch next",
			`PATCH /v1/processors/proc1?network=default {"branch":"next","hostname":"","concurrency":8}`,
			"processor proc1 updated: pyfi.processors.sample at commit 955e44e012, 8 wanted\n",
		},
		{"update socket s1 --retries 0 --join run", `PATCH /v1/sockets/s1?network=default {"max_attempts":1,"join":"run"}`, "socket s1 updated\n"},
		{"update socket -n s1 -pn p2 --timeout 1m", `PATCH /v1/sockets/s1?network=default {"processor":"p2","timeout_ms":60000}`, "socket s1 updated\n"},
		{"update plug plug1 --queue= -a two", `PATCH /v1/plugs/plug1?network=default {"argument":"two","queue":""}`, "plug plug1 updated: a → b\n"},
		{"update deployment proc1.d1 -c 8", `PATCH /v1/deployments/proc1.d1?network=default {"cpus":8}`, "deployment proc1.d1 updated: 8 CPUs\n"},
		{"delete queue -n pyfi.queue1", "DELETE /v1/queues/pyfi.queue1?network=default ", "queue pyfi.queue1 deleted\n"},
		{"delete socket s1 --force", "DELETE /v1/sockets/s1?force=true&network=default ", "socket s1 deleted\n"},
		{"delete plug plug1", "DELETE /v1/plugs/plug1?network=default ", "plug plug1 deleted\n"},
		{"delete processor proc1", "DELETE /v1/processors/proc1?network=default ", "processor proc1 deleted\n"},
		{"delete deployment proc1.d1", "DELETE /v1/deployments/proc1.d1?network=default ", "deployment proc1.d1 deleted\n"},
		{"delete network lab", "DELETE /v1/networks/lab ", "network lab deleted\n"},
		{"delete token k1", "DELETE /v1/tokens/k1 ", "token k1 deleted\n"},
		{"proc stop -n proc1", "POST /v1/processors/proc1/stop?network=default ", "processor proc1: stop requested\n"},
		{"proc start proc1", "POST /v1/processors/proc1/start?network=default ", "processor proc1: start requested\n"},
		{"proc restart proc1", "POST /v1/processors/proc1/restart?network=default ", "processor proc1: restart requested\n"},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			a := changeable(t)
			got := a.run(strings.Fields(c.line)...)
			if got.code != 0 || got.out != c.out {
				t.Errorf("got %+v, want %q", got, c.out)
			}
			if sent := a.last(); sent.Line+" "+sent.Body != c.sent {
				t.Errorf("sent %s %s\nwant %s", sent.Line, sent.Body, c.sent)
			}
		})
	}
}

// changeable is a fake that accepts every change.
func changeable(t *testing.T) *api {
	t.Helper()
	a := newAPI(t)
	name := func(n string) model.Object { return model.Object{Name: n} }
	echo(a, "POST /v1/networks", model.Network{})
	echo(a, "POST /v1/queues", model.Queue{})
	echo(a, "PATCH /v1/queues/pyfi.queue1", queue1)
	echo(a, "POST /v1/processors", model.Processor{Commit: proc1.Commit})
	echo(a, "PATCH /v1/processors/proc1", proc1)
	echo(a, "POST /v1/sockets", model.Socket{})
	echo(a, "PATCH /v1/sockets/s1", model.Socket{Object: name("s1")})
	echo(a, "POST /v1/plugs", model.Plug{})
	echo(a, "PATCH /v1/plugs/plug1", model.Plug{Object: name("plug1"), Source: "a", Target: "b"})
	echo(a, "POST /v1/deployments", model.Deployment{})
	echo(a, "PATCH /v1/deployments/proc1.d1", model.Deployment{Object: name("proc1.d1")})
	a.give("POST /v1/tokens", client.NewToken{Token: model.Token{ID: "k1", Name: "laptop", User: "ana"}, Secret: "flow_secret"})
	for _, verb := range []string{"start", "stop", "restart"} {
		a.give("POST /v1/processors/proc1/"+verb, proc1)
	}
	for _, path := range []string{
		"queues/pyfi.queue1", "sockets/s1", "plugs/plug1", "processors/proc1", "deployments/proc1.d1", "networks/lab", "tokens/k1",
	} {
		a.handle("DELETE /v1/"+path, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	}
	return a
}

func TestAddShowsTheObjectInAFormat(t *testing.T) {
	t.Parallel()
	a := changeable(t)
	if got := a.run("add", "queue", "-n", "q", "-o", "name"); got.out != "q\n" {
		t.Errorf("as a name: %+v", got)
	}
	if got := a.run("add", "plug", "-n", "p", "-s", "a", "-t", "b", "-o", "json"); !strings.Contains(got.out, `"source": "a"`) {
		t.Errorf("as JSON: %+v", got)
	}
	if got := a.run("add", "socket", "-n", "s", "-q", "q", "-pn", "p", "-t", "f", "-o", "table"); !strings.HasPrefix(got.out, "Name  Processor") {
		t.Errorf("as a table: %+v", got)
	}
}

func TestLocalRepositoryBecomesAbsolute(t *testing.T) {
	t.Parallel()
	a := changeable(t)
	got := a.run("add", "processor", "-n", "p", "-g", "testdata", "-m", "m")
	here, err := os.Getwd()
	if err != nil || got.code != 0 {
		t.Fatal(err, got)
	}
	if sent := a.last().Body; !strings.Contains(sent, `"gitrepo":"`+filepath.Join(here, "testdata")+`"`) {
		t.Errorf("sent %s", sent)
	}
}

// Nothing of this reaches the server.
func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"add":                              "",
		"foo":                              "there is no command flow foo",
		"add quee":                         `did you mean "queue"?`,
		"rm socket s":                      "did you mean \"delete\"?\nnext",
		"list sockets":                     "did you mean \"listen\" or \"ls\"?\nnext",
		"show sockets":                     "did you mean \"ls\"?\nnext",
		"add queue":                        "flow add queue needs -n (--name)",
		"add queue -n q extra":             `takes no argument, and got "extra"`,
		"add queue -n q -t heap":           "use one of topic, direct, fanout",
		"add queue -n a/b":                 "use letters, digits",
		"add queue -n q --message-ttl 1us": "the shortest duration is 1ms",
		"add queue -n q --max-messages -1": "limits cannot be negative",
		"add socket -n s":                  "needs -q (--queue), -pn (--procname), -t (--task)",
		"add socket -n s -q q -pn p -t t --procnam":                `did you mean "--procname"?`,
		"add socket -n s -q q -pn p -t t --attempts 2 --retries 1": "--attempts and --retries cannot be given together",
		"add socket -n s -q q -pn p -t t --retries -1":             "--retries -1: give 0 or more",
		"add socket -n s -q q -pn p -t t --attempts 0":             "--attempts 0: give 1 or more",
		"add socket -n s -q q -pn p -t t --timeout 0":              "a run needs an end",
		"add socket -n s -q q -pn":                                 "flag needs an argument",
		"add socket -n s -q q -pn p -t t --rate 10":                `rate "10": write how many calls in a time`,
		"add socket -n s -q q -pn p -t t --burst 3":                "a burst of 3 is for a rate, and there is none",
		"add socket -n s -q q -pn p -t t --rate 1/s --burst -1":    "burst -1: use 1 to 1000000",
		"add socket -n s -q q -pn p -t t --max-running -1":         "--max-running -1: give 1 to 10000, or 0 for no limit",
		"add socket -n s -q q -pn p -t t --queue-timeout 1us":      "the shortest duration is 1ms",
		"add processor -n p -g https://x/y -m m --rate 5/d":        `rate "5/d": write how many calls in a time`,
		"update socket s1 --rate fast":                             `rate "fast": write how many calls in a time`,
		"update processor p --rate -1/s":                           `rate "-1/s": write how many calls in a time`,
		"add processor -n p -g . -m m --tag v1 --commit abc":       "--tag and --commit cannot be given together",
		"add processor -n p -g . -m m -c 2 -w 3":                   "--concurrency and --workers cannot be given together",
		"add processor -n p -g . -m m --runtime shell --python py": "--python is for the runtime python",
		"add processor -n p -g . -m m -c many":                     "invalid argument",
		"add deployment -n p -h x -c 0":                            "at least 1 is needed",
		"update queue pyfi.queue1":                                 "there is nothing to change",
		"update queue":                                             "needs -n (--name)",
		"update processor proc1 -pn x":                             "unknown shorthand flag",
		"delete queue a b":                                         `takes one name, and got "b" too`,
		"delete queue -n a b":                                      `takes one name, and got "b" too`,
		"ls call":                                                  "needs --id",
		"ls call --id x -t -g":                                     "--tree and --graph cannot be given together",
		"ls call --id x --wait 1s":                                 "--wait is for --result",
		"ls queues -o csv":                                         "use one of table, wide, json, yaml, name",
		"task run -nd":                                             "which function?",
		"task run -s a -n b -nd":                                   "--socket and --name cannot be given together",
		"task run -s a":                                            "there is no data for the call",
		"task run -s a -d 1 -nd":                                   "--data and --nodata cannot be given together",
		"task run -s a -d [x":                                      "--data: bad JSON at line 1, column 1",
		"task run -s a --args 1":                                   "--args: the arguments must be a list",
		"task run -s a --kwargs [1]":                               "--kwargs: the keyword arguments must be an object",
		"task run -s a -a one -nd":                                 "--argument and --nodata cannot be given together",
		"task run -s a -d @/none/such":                             "no such file",
		"task run -s a -d 1 --timeout 0s":                          "or --no-wait",
		"task run -s a --lines --id x":                             "cannot be given together",
		"listen":                                                   "needs -n (--name)",
		"listen -n x --count -1":                                   "cannot be negative",
		"logs":                                                     "whose output?",
		"completion fsh":                                           `"fish"`,
		"help foo":                                                 "there is no help on foo",
		"--color blue version":                                     "use one of auto, always, never",
		"--server nonsense:// status":                              "is not a URL",
	} {
		a := newAPI(t)
		got := a.run(strings.Fields(line)...)
		code := 2
		if want == "" {
			code = 0 // a group alone shows its help
		}
		if got.code != code || !strings.Contains(got.err, want) {
			t.Errorf("flow %s: exit %d, stderr %q; want exit %d and %q", line, got.code, got.err, code, want)
		}
		if len(a.requests) > 0 {
			t.Errorf("flow %s asked the server: %v", line, a.requests)
		}
	}
}

func TestConflictOnAdd(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.refuse("POST /v1/queues", http.StatusConflict, client.Problem{Code: client.CodeConflict, Detail: `there is a queue "q" already`, Hint: "flow update queue q"})
	got := a.run("add", "queue", "-n", "q")
	if got.code != 5 || got.err != "error: there is a queue \"q\" already\nnext: flow update queue q\n" || got.out != "" {
		t.Errorf("%+v", got)
	}
}
