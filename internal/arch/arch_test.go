package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/elasticcode/flow/"

// ranks gives every room its height; imports point down. The longest prefix
// counts. Rooms of the same rank do not import each other, except for the
// drivers and helpers inside one room (see sameRoom).
var ranks = map[string]int{
	"model":            0,
	"broker":           0,
	"event":            0,
	"result":           0,
	"socket":           1,
	"processor":        1,
	"store":            1,
	"client":           1,
	"web":              1,
	"plug":             2,
	"flow":             2,
	"agent/worker":     3,
	"server/api":       3,
	"server/access":    3,
	"server/recorder":  3,
	"server/joiner":    3,
	"server/topology":  3,
	"server/canceller": 3,
	"server/redriver":  3,
	"server/rescuer":   3,
	"server/retention": 3,
	"server/scheduler": 3,
	"server/values":    3,
	"agent":            4,
	"server":           4,
	"stack":            5,
	"cmd":              6,
	"internal/squeeze": -1, // below all: it knows nothing of them
	"internal":         7,  // used by tests only
	"test":             7,
	"bench":            7,
	"examples":         7,
}

// contracts are the rank-0 rooms that may name the vocabulary.
var mayImport = map[string][]string{
	"result":     {"model"},
	"server/api": {"server/access"}, // a guard in front of the handlers
}

// homes are the only rooms that may import a third-party library.
var homes = map[string][]string{
	"github.com/rabbitmq/amqp091-go":     {"broker/amqp"},
	"github.com/redis/go-redis":          {"event/redis", "result/redis", "stack"},
	"github.com/nats-io/nats.go":         {"event/nats", "result/nats", "broker/jetstream", "stack"},
	"github.com/nats-io/nats-server":     {"stack/natsd"},
	"go.etcd.io/bbolt":                   {"result/bolt"},
	"github.com/klauspost/compress":      {"internal/squeeze"},
	"gorm.io/":                           {"store"},
	"github.com/glebarez/":               {"store"},
	"github.com/pressly/goose":           {"store"},
	"github.com/jackc/pgx":               {"store"},
	"github.com/go-git/":                 {"processor/source"},
	"github.com/spf13/":                  {"cmd"},
	"github.com/danielgtaylor/huma":      {"server/api"},
	"charm.land/":                        {"cmd"},
	"github.com/goccy/go-yaml":           {"cmd", "flow"},
	"github.com/compose-spec/compose-go": {"deploy"},
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	files := 0
	for _, f := range sources(t) {
		files++
		test := strings.HasSuffix(f.path, "_test.go")
		for _, imp := range f.imports {
			if library, ok := strings.CutPrefix(imp, module); ok {
				if !test {
					checkRoom(t, f, library)
				}
			} else if !test {
				checkLibrary(t, f, imp)
			}
		}
	}
	if files < 20 {
		t.Fatalf("only %d files were read: the test looks in the wrong place", files)
	}
}

func checkRoom(t *testing.T, f file, imported string) {
	t.Helper()
	from, to := room(f.dir), room(imported)
	if from == "" {
		t.Errorf("%s: its folder has no rank: give it one in internal/arch", f.path)
		return
	}
	if to == "" {
		t.Errorf("%s imports %s, which has no rank: give it one in internal/arch", f.path, imported)
		return
	}
	if ranks[from] == 7 || testSuite(f.dir) || sameRoom(f.dir, imported) || ranks[from] > ranks[to] {
		return
	}
	if slices.Contains(mayImport[from], to) {
		return
	}
	if to == "model" && ranks[from] == 0 {
		return
	}
	t.Errorf("%s (%s, rank %d) imports %s (%s, rank %d): imports point down", f.path, from, ranks[from], imported, to, ranks[to])
}

func checkLibrary(t *testing.T, f file, imp string) {
	t.Helper()
	for library, rooms := range homes {
		if !strings.HasPrefix(imp, library) {
			continue
		}
		for _, r := range rooms {
			if f.dir == r || strings.HasPrefix(f.dir, r+"/") {
				return
			}
		}
		if ranks[room(f.dir)] == 7 {
			return
		}
		t.Errorf("%s imports %s, which lives in %s only", f.path, imp, strings.Join(rooms, ", "))
	}
}

// room is the ranked room that a folder belongs to.
func room(dir string) string {
	for d := dir; d != "."; d = filepath.Dir(d) {
		if _, ok := ranks[d]; ok {
			return d
		}
	}
	return ""
}

// sameRoom allows what lies inside one room: a driver its contract, a runtime
// the child protocol. Drivers of one contract do not know each other.
func sameRoom(from, to string) bool {
	a, b := room(from), room(to)
	if a != b {
		return false
	}
	driver := map[string]bool{"broker": true, "event": true, "result": true}
	return !driver[a] || from == to || to == a || !strings.Contains(to, "/")
}

// testSuite tells whether a folder is a conformance suite, which tests import.
func testSuite(dir string) bool { return strings.HasSuffix(filepath.Base(dir), "test") }

type file struct {
	path, dir string
	imports   []string
}

func sources(t *testing.T) []file {
	t.Helper()
	root := filepath.Join("..", "..")
	var out []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		src := file{path: rel, dir: filepath.ToSlash(filepath.Dir(rel))}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			src.imports = append(src.imports, p)
		}
		out = append(out, src)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
