package deploy

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func load(t *testing.T, env ...string) (*types.Project, error) {
	t.Helper()
	opts, err := cli.NewProjectOptions(
		[]string{filepath.Join("..", "docker-compose.yml")},
		cli.WithWorkingDirectory(".."), cli.WithEnv(env), cli.WithEnvFiles(), cli.WithDotEnv,
	)
	if err != nil {
		t.Fatal(err)
	}
	return opts.LoadProject(context.Background())
}

func TestComposeFile(t *testing.T) {
	t.Parallel()
	p, err := load(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "redis", "rabbitmq", "init", "server", "agent"} {
		s, ok := p.Services[name]
		if !ok {
			t.Errorf("there is no service %s", name)
			continue
		}
		if name != "init" && s.HealthCheck == nil {
			t.Errorf("service %s has no health check", name)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("service %s publishes port %s on %q: development listens on loopback", name, port.Published, port.HostIP)
			}
		}
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeVolume || p.Volumes[v.Source].Name == "" {
				t.Errorf("service %s: %s is not a named volume", name, v.Target)
			}
		}
	}
	if got := p.Services["server"].DependsOn["init"].Condition; got != types.ServiceConditionCompletedSuccessfully {
		t.Errorf("the server waits for init to be %q", got)
	}
}

// TestComposeHasNoPasswords checks that passwords come from the environment
// only: the file itself holds none, and without them it does not load.
func TestComposeHasNoPasswords(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("..", "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	literal := regexp.MustCompile(`^\s+[A-Z_]*(PASS|SECRET|AUTH|KEY)[A-Z_]*: *[^$\s]`)
	for i, line := range strings.Split(string(data), "\n") {
		if literal.MatchString(line) {
			t.Errorf("line %d holds a secret: %s", i+1, line)
		}
	}
	for _, name := range []string{"POSTGRES_PASSWORD", "RABBITMQ_PASSWORD", "REDIS_PASSWORD", "FLOW_SECRET_KEY"} {
		if _, err := load(t, name+"="); err == nil || !strings.Contains(err.Error(), "set it in .env") {
			t.Errorf("without %s the file loads, or does not say what is missing: %v", name, err)
		}
	}
}
