package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/server/access"
)

// document is the part of OpenAPI that the test looks at.
type document struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		ID        string                 `json:"operationId"`
		Summary   string                 `json:"summary"`
		Tags      []string               `json:"tags"`
		Security  *[]map[string][]string `json:"security"`
		Responses map[string]struct {
			Content map[string]struct {
				Schema struct {
					Ref string `json:"$ref"`
				} `json:"schema"`
			} `json:"content"`
		} `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]json.RawMessage `json:"schemas"`
	} `json:"components"`
}

func fetchDocument(t *testing.T, b *bundle) document {
	t.Helper()
	var doc document
	res, err := http.Get(b.url + "/v1/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestDocument(t *testing.T) {
	t.Parallel()
	b := setup(t)
	doc := fetchDocument(t, b)
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths) < 30 {
		t.Fatalf("OpenAPI %s with %d paths", doc.OpenAPI, len(doc.Paths))
	}
	var ids []string
	for path, methods := range doc.Paths {
		for method, o := range methods {
			where := strings.ToUpper(method) + " " + path
			ids = append(ids, o.ID)
			if o.ID == "" || o.Summary == "" || len(o.Tags) == 0 {
				t.Errorf("%s: no id, summary or tag", where)
			}
			problems := 0
			for status, r := range o.Responses {
				if status < "400" {
					continue
				}
				problems++
				if p, ok := r.Content["application/problem+json"]; !ok || p.Schema.Ref != "#/components/schemas/Problem" {
					t.Errorf("%s: answer %s is not a problem", where, status)
				}
			}
			if problems == 0 {
				t.Errorf("%s: describes no error", where)
			}
			if open := o.Security == nil || len(*o.Security) == 0; open != public[o.ID] {
				t.Errorf("%s: whether it needs a token is described wrongly", where)
			}
		}
	}
	for _, id := range ids {
		if !public[id] && !slices.Contains(access.Operations(), id) {
			t.Errorf("operation %s is not in the table of access", id)
		}
	}
	for _, id := range access.Operations() {
		if !slices.Contains(ids, id) {
			t.Errorf("operation %s is in the table of access, and does not exist", id)
		}
	}
	for _, name := range []string{"News", "Event", "Call", "Submission", "Batch", "Problem", "PageSocket"} {
		if doc.Components.Schemas[name] == nil {
			t.Errorf("schema %s is missing", name)
		}
	}
}

// TestEveryErrorIsAProblem asks every operation without a token, and in wrong ways.
func TestEveryErrorIsAProblem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	doc := fetchDocument(t, b)
	agent := b.newToken(t, model.ScopeAgent)
	for path, methods := range doc.Paths {
		for method, o := range methods {
			if public[o.ID] {
				continue
			}
			url := b.url + strings.NewReplacer("{name}", "nothing", "{id}", "nothing").Replace(path)
			method := strings.ToUpper(method)
			b.problem(t, method, url, "", "", 401)
			b.problem(t, method, url, "flow_wrong", "", 401)
			if access.Allow(model.ScopeAgent, o.ID) != nil {
				b.problem(t, method, url, agent, "", 403)
			}
			b.problem(t, method, url+"?nonsense=1", b.token, "{}", 422)
			if method == "POST" && !strings.Contains(path, "{name}") && !strings.Contains(path, "{id}") {
				b.problem(t, method, url, b.token, `{"name": `, 400)
				b.problem(t, method, url, b.token, ``, 400)
			}
		}
	}
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/v1/nonsense", "", 404},
		{"GET", "/", "", 404},
		{"PUT", "/v1/queues", "{}", 405},
		{"GET", "/v1/queues/none", "", 404},
		{"GET", "/v1/queues/none/depth", "", 404},
		{"GET", "/v1/queues?cursor=x", "", 400},
		{"GET", "/v1/queues?limit=0", "", 422},
		{"GET", "/v1/queues?limit=1001", "", 422},
		{"GET", "/v1/calls?state=nonsense", "", 422},
		{"GET", "/v1/calls?since=yesterday", "", 422},
		{"GET", "/v1/calls?until=-5m", "", 422},
		{"GET", "/v1/calls?since=5m&until=5h", "", 422},
		{"GET", "/v1/dead?until=yesterday", "", 422},
		{"GET", "/v1/dead?since=2026-01-31T08:00:00Z&until=2026-01-31T08:00:00Z", "", 422},
		{"GET", "/v1/calls/nothing/result?wait=abc", "", 422},
		{"GET", "/v1/calls/nothing/result?wait=2h", "", 422},
		{"GET", "/v1/events?since=yesterday", "", 422},
		{"GET", "/v1/plan", "", 422},
		{"POST", "/v1/queues", `{"name":"q1"}`, 409},
		{"POST", "/v1/queues", `{"name":"a b"}`, 422},
		{"POST", "/v1/queues", `{"name":"x","type":"nonsense"}`, 422},
		{"POST", "/v1/queues", `{"name":"x","colour":"red"}`, 422},
		{"POST", "/v1/queues?network=none", `{"name":"x"}`, 404},
		{"POST", "/v1/calls", `{"socket":"sample.do_this","colour":"red"}`, 422},
		{"POST", "/v1/calls", `{"socket":"sample.do_this"} x`, 400},
		{"POST", "/v1/calls", `{"socket":"sample.do_this","args":3}`, 422},
		{"POST", "/v1/calls/batch", `{"calls":[]}`, 422},
		{"DELETE", "/v1/queues/q1", "", 409},
		{"DELETE", "/v1/tokens/none", "", 404},
	} {
		b.problem(t, c.method, b.url+c.path, b.token, c.body, c.status)
	}
}

// problem sends a request and checks that it is answered with a whole problem.
func (b *bundle) problem(t *testing.T, method, url, token, body string, status int) {
	t.Helper()
	where := fmt.Sprintf("%s %s %.40s", method, strings.TrimPrefix(url, b.url), body)
	req, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, _ := io.ReadAll(res.Body)
	var p client.Problem
	if err := json.Unmarshal(data, &p); err != nil || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: answered %s %s: %.200s", where, res.Status, res.Header.Get("Content-Type"), data)
		return
	}
	if res.StatusCode != status || p.Status != status {
		t.Errorf("%s: status %d (%d), want %d: %s", where, res.StatusCode, p.Status, status, data)
	}
	if p.Code == "" || p.Detail == "" || p.Hint == "" || p.Title == "" {
		t.Errorf("%s: incomplete: %s", where, data)
	}
	if token != "" && strings.Contains(string(data), token) {
		t.Errorf("%s: tells the token", where)
	}
}
