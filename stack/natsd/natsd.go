// Package natsd runs a NATS server with JetStream inside this process, so that
// Flow needs no other server: stack uses it for embedded:DIR.
//
// What is accepted is written to the operating system before it is confirmed,
// so it survives a kill -9 of the process. It is flushed to the disk itself
// every Config.Sync: a power failure may lose what was accepted since then. Set
// SyncAlways where that is too much; it costs a disk flush per message.
//
// After a write that failed, as on a full disk, NATS takes nothing more for that
// stream as long as it runs. So this package starts it again, in this process, as
// soon as the disk takes something; connections come back by themselves.
package natsd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// MaxPayload is the largest message that the server takes, headers included. It
// is above model.MaxPayload, so that a call of that size still has room for its
// headers and its envelope.
const MaxPayload = 16 << 20

// Config says what to run. Only Dir is needed.
type Config struct {
	// Dir is where everything is kept. One process at a time may use it.
	Dir string
	// Logger hears of trouble; what the server says in passing goes to debug level.
	Logger *slog.Logger
	// Listen ("host:port") lets other processes connect over TCP. Empty: only
	// connections within this process, no port. Port 0 picks a free one.
	Listen string
	// Token is what TCP clients must present, and Connect presents by itself.
	// Without one, listen on loopback only.
	Token string
	// MaxMemory bounds streams kept in memory, in bytes. 0: 256 MiB.
	MaxMemory int64
	// MaxStore bounds what is kept in Dir, in bytes. 0: the size of its disk.
	MaxStore int64
	// Sync is how often files are flushed to the disk itself. 0: 30 s. Less costs
	// processor time even when nothing happens: each queue is looked at.
	Sync time.Duration
	// SyncAlways flushes with every message.
	SyncAlways bool
}

func (c Config) validate() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("natsd: a directory is needed to keep messages in")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MaxMemory == 0 {
		c.MaxMemory = 256 << 20
	}
	if c.Sync == 0 {
		c.Sync = 30 * time.Second
	}
	return c, nil
}

// Server is a running NATS server.
type Server struct {
	cfg  Config
	lock *os.File

	mu  sync.Mutex     // guards the fields below
	srv *server.Server // nil while there is none
	ill error          // why what is sent is not stored, if so

	hurt     chan error // that a write failed, and why
	end      context.CancelFunc
	watching sync.WaitGroup
}

// Start runs a server and returns when it takes connections and has read what
// is kept in its directory.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	if _, err := options(cfg); err != nil {
		return nil, err
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, lock: lock, hurt: make(chan error, 1)}
	if s.srv, err = s.run(ctx); err != nil {
		unlock(lock)
		return nil, err
	}
	watching, end := context.WithCancel(context.Background())
	s.end = end
	s.watching.Go(func() { s.watch(watching) })
	return s, nil
}

// run starts a server in the directory, which is locked.
func (s *Server) run(ctx context.Context) (*server.Server, error) {
	opts, err := options(s.cfg)
	if err != nil {
		return nil, err
	}
	if opts.JetStreamMaxStore == 0 {
		if opts.JetStreamMaxStore, err = room(opts.StoreDir); err != nil {
			return nil, fmt.Errorf("look for room for the embedded NATS server in %s: %w", s.cfg.Dir, err)
		}
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("set up the embedded NATS server in %s: %w", s.cfg.Dir, err)
	}
	log := &logAdapter{logger: s.cfg.Logger, hurt: s.hurt}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start()
	if err := ready(ctx, srv, log); err != nil {
		stop(srv)
		return nil, fmt.Errorf("start the embedded NATS server in %s: %w", s.cfg.Dir, err)
	}
	return srv, nil
}

func stop(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

func options(cfg Config) (*server.Options, error) {
	o := &server.Options{
		ServerName:             "flow",
		DontListen:             cfg.Listen == "",
		NoSigs:                 true,
		JetStream:              true,
		StoreDir:               filepath.Join(cfg.Dir, "streams"),
		JetStreamMaxMemory:     cfg.MaxMemory,
		JetStreamMaxStore:      cfg.MaxStore,
		SyncInterval:           cfg.Sync,
		SyncAlways:             cfg.SyncAlways,
		MaxPayload:             MaxPayload,
		MaxPending:             256 << 20, // a burst of large messages must not look like a slow consumer
		Authorization:          cfg.Token,
		DisableJetStreamBanner: true,
		PingInterval:           20 * time.Second,
		MaxPingsOut:            2,
	}
	if cfg.Listen == "" {
		return o, nil
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen address %q of the embedded NATS server: want host:port", cfg.Listen)
	}
	if o.Port, err = strconv.Atoi(port); err != nil || o.Port < 0 || o.Port > 65535 {
		return nil, fmt.Errorf("listen address %q of the embedded NATS server: want a port between 0 and 65535", cfg.Listen)
	}
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	o.Host = host
	return o, nil
}

// ready waits until the server serves. The server says why it does not by
// logging a fatal error, so that is what is listened to.
func ready(ctx context.Context, srv *server.Server, log *logAdapter) error {
	const patience = 60 * time.Second // restoring millions of messages takes a while
	end := time.Now().Add(patience)
	for time.Now().Before(end) {
		if srv.ReadyForConnections(20*time.Millisecond) && srv.JetStreamEnabled() {
			return nil
		}
		if why := log.fatal(); why != "" {
			return errors.New(why)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return fmt.Errorf("it is not ready after %s", patience)
}

// Addr is where the server listens, nil without a listener or when it is down.
func (s *Server) Addr() net.Addr {
	srv, _ := s.now()
	if srv == nil {
		return nil
	}
	return srv.Addr()
}

// now is the server that runs now, or nil, and what ails it.
func (s *Server) now() (*server.Server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.srv, s.ill
}

// Health is why messages are not stored now, if so.
func (s *Server) Health() error {
	_, ill := s.now()
	return ill
}

// InProcessConn is a connection to the server that runs now, for nats.InProcessServer.
func (s *Server) InProcessConn() (net.Conn, error) {
	srv, ill := s.now()
	if srv == nil {
		return nil, fmt.Errorf("the embedded NATS server is being started again: %w", ill)
	}
	return srv.InProcessConn()
}

// Connect opens a connection within this process. Who opened it closes it.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	all := append([]nats.Option{
		nats.Name("flow"),
		nats.InProcessServer(s),
		nats.Token(s.cfg.Token),
		nats.MaxReconnects(-1),
	}, opts...)
	conn, err := nats.Connect("", all...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded NATS server: %w", err)
	}
	return conn, nil
}

// Shutdown stops the server and waits until everything is written and the
// directory is free for another process.
func (s *Server) Shutdown() {
	s.end()
	s.watching.Wait()
	if srv, _ := s.now(); srv != nil {
		stop(srv)
	}
	unlock(s.lock)
}
