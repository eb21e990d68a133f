package engine

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/processor/source"
	"github.com/elasticcode/flow/server"
	"github.com/elasticcode/flow/server/access"
	"github.com/elasticcode/flow/stack"
	"github.com/elasticcode/flow/store"
)

// ServerConfig is what a server is assembled from.
type ServerConfig struct {
	Roles  []string
	Stack  *stack.Stack
	Store  *store.Store
	Listen string // HOST:PORT; used by the role api
	Keep   Keep
	Dir    string // data directory
	Env    func(string) string
	Logger *slog.Logger
}

// Keep says how much of the history is kept.
type Keep struct {
	Age   time.Duration
	Calls int64
}

// AddFlags adds --keep and --keep-calls.
func (k *Keep) AddFlags(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&k.Age, "keep", 30*24*time.Hour, "how long ended calls are kept; 0 for ever. Dead calls stay until they are dealt with")
	cmd.Flags().Int64Var(&k.Calls, "keep-calls", 0, "how many calls of each network are kept; 0 for any number")
}

// Server assembles a server. It returns the address that the API listens on.
func Server(ctx context.Context, cfg ServerConfig) (*server.Server, string, error) {
	relaxGC()
	key, err := sealingKey(cfg.Dir, cfg.Env)
	if err != nil {
		return nil, "", err
	}
	sources, err := source.New(source.Config{Dir: filepath.Join(cfg.Dir, "sources"), Logger: cfg.Logger})
	if err != nil {
		return nil, "", err
	}
	sc := server.Config{
		Roles: cfg.Roles, Store: cfg.Store, Broker: cfg.Stack.Broker, Events: cfg.Stack.Events, Results: cfg.Stack.Results,
		KeepAge: cfg.Keep.Age, KeepCalls: cfg.Keep.Calls, Resolver: server.NewResolver(sources), Key: key, Services: health(cfg.Stack), Logger: cfg.Logger,
		Fault: faults(), Version: client.Version{Version: factory.Version().Version, Commit: factory.Version().Commit, Go: runtime.Version(), API: "v1"},
	}
	addr := ""
	for _, r := range cfg.Roles {
		if r == server.RoleAPI {
			if sc.Listener, err = listen(ctx, cfg.Listen); err != nil {
				return nil, "", err
			}
			addr = sc.Listener.Addr().String()
		}
	}
	s, err := server.New(sc)
	if err != nil && sc.Listener != nil {
		_ = sc.Listener.Close()
	}
	return s, addr, err
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is taken by another program, perhaps another Flow: stop it, or choose another address with --listen", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return l, nil
}

// sealingKey is the key that repository credentials are sealed with: the
// environment's FLOW_SECRET_KEY (several servers need the same one), else one
// that is kept in the data directory.
func sealingKey(dir string, env func(string) string) ([]byte, error) {
	if said := env("FLOW_SECRET_KEY"); said != "" {
		key, err := hex.DecodeString(said)
		if err != nil || len(key) != access.KeySize {
			return nil, fmt.Errorf("FLOW_SECRET_KEY must be %d bytes as %d hex digits: make one with 'openssl rand -hex %d'", access.KeySize, 2*access.KeySize, access.KeySize)
		}
		return key, nil
	}
	return access.LoadOrCreateKey(filepath.Join(dir, "secret.key"))
}
