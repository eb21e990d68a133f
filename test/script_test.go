package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/elasticcode/flow/cmd/flow/root"
	"github.com/elasticcode/flow/internal/testenv"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"flow": func() { os.Exit(root.Main()) }})
}

// commands are what scripts have besides testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"up": up, "down": down, "abandon": abandon, "kill-up": killUp, "kill-workers": killWorkers, "repo": repo, "eventually": eventually, "until": until, "count": count,
	"forget-values": forgetValues, "lose-broker": loseBroker,
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	run(t, false, func(env *testscript.Env) error {
		env.Values[losing{}] = func() {
			if err := os.RemoveAll(filepath.Join(env.Getenv("XDG_DATA_HOME"), "flow", "nats", "streams")); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
}

func TestServices(t *testing.T) {
	t.Parallel()
	amqp, redis, postgres := testenv.AMQP(t), testenv.Redis(t), testenv.Postgres(t)
	run(t, true, func(env *testscript.Env) error {
		prefix := testenv.Prefix(t)
		db, drop, err := schema(postgres, prefix)
		if err != nil {
			return err
		}
		env.Defer(drop)
		env.Defer(func() { removeQueues(t, amqp, db, prefix+".") })
		env.Defer(func() {
			removeKeys(t, redis, prefix+".*")
			removeKeys(t, redis, "{"+prefix+".*") // the events, in one slot of a cluster
		})
		env.Setenv("FLOW_BROKER", with(amqp, "prefix", prefix+"."))
		env.Setenv("FLOW_BACKEND", with(redis, "prefix", prefix+"."))
		env.Setenv("FLOW_DB", db)
		env.Setenv("EVENT_PREFIX", prefix+".")
		env.Values[losing{}] = func() { removeQueues(t, amqp, db, prefix+".") }
		env.Values[forgetting{}] = func() { removeKeys(t, redis, prefix+".*:blob") }
		return nil
	})
}

// run runs all scripts, each with a home directory of its own. In scripts,
// [services] is true when they use services beside this process.
func run(t *testing.T, services bool, backends func(*testscript.Env) error) {
	t.Helper()
	examples, err := filepath.Abs(filepath.Join("..", "examples"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "scripts",
		Cmds:                commands,
		RequireExplicitExec: true,
		Condition: func(cond string) (bool, error) {
			if cond != "services" {
				return false, fmt.Errorf("condition %q is unknown", cond)
			}
			return services, nil
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, ".config"))
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, ".data"))
			env.Setenv("EXAMPLES", examples)
			env.Setenv("NO_COLOR", "1")
			env.Setenv("FLOW_LOG_LEVEL", "debug")
			env.Values[running{}] = &process{}
			return backends(env)
		},
	})
}

// with adds a query parameter to a URL.
func with(url, key, value string) string {
	sep := "?"
	if strings.Contains(url, "?") {
		sep = "&"
	}
	return fmt.Sprintf("%s%s%s=%s", url, sep, key, value)
}
