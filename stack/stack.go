// Package stack turns URLs into an opened broker, event bus, result store and
// database. It is the only package that imports drivers, and the only one that
// knows that some of them run inside this process: below it, embedded is
// configuration.
//
//	broker    amqp://, amqps://, pyamqp://   RabbitMQ
//	          nats://, tls://                NATS with JetStream
//	          embedded:DIR                   NATS with JetStream in this process
//	backend   redis://, rediss://            Redis (results and events)
//	          nats://, tls://                NATS with JetStream
//	          embedded:DIR                   events as above, results in a file of DIR
//	database  postgres://, postgresql://     PostgreSQL
//	          sqlite:FILE                    SQLite
//	          embedded:DIR                   SQLite in DIR
//
// The query parameter "prefix" of a broker or backend URL is put before every
// name on that service, so that several systems can share it.
package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	natsgo "github.com/nats-io/nats.go"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/broker/jetstream"
	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/stack/natsd"
)

// Config names the services.
type Config struct {
	Broker  string // URL; see the package comment
	Backend string // URL of results and events
	// Name is how the connections are called on the services' own pages.
	Name string
	// Logger hears of connections, and of what should be set up otherwise. Default: silence.
	Logger *slog.Logger
}

// Stack is the opened services. Close closes them.
type Stack struct {
	Broker  broker.Broker
	Events  event.Bus
	Results result.Store

	health  []check
	servers map[string]*natsd.Server
	closers []func() error // in order of opening
}

// Health is how one service is.
type Health struct {
	Name    string // "broker" or "backend"
	OK      bool
	Message string
}

type check struct {
	name string
	ask  func(ctx context.Context) error
}

// Open opens the services. Services that cannot be reached within the
// context are an error that names them, without their passwords.
func Open(ctx context.Context, cfg Config) (*Stack, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Stack{servers: map[string]*natsd.Server{}}
	if err := s.openBroker(ctx, cfg); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.openBackend(ctx, cfg); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes what was opened, in reverse order.
func (s *Stack) Close() error {
	var errs []error
	for _, v := range slices.Backward(s.closers) {
		if err := v(); err != nil {
			errs = append(errs, err)
		}
	}
	s.closers = nil
	return errors.Join(errs...)
}

// Health asks every service how it is.
func (s *Stack) Health(ctx context.Context) []Health {
	out := make([]Health, 0, len(s.health))
	for _, c := range s.health {
		h := Health{Name: c.name, OK: true}
		if err := c.ask(ctx); err != nil {
			h.OK, h.Message = false, err.Error()
		}
		out = append(out, h)
	}
	return out
}

// Held is how much calls hold in results that are in this process: "claims" and
// "places". It is empty where they are kept elsewhere.
func (s *Stack) Held() map[string]int {
	r, here := s.Results.(interface{ Held() (claims, places int) })
	if !here {
		return nil
	}
	claims, places := r.Held()
	return map[string]int{"claims": claims, "places": places}
}

func (s *Stack) onClose(f func() error) { s.closers = append(s.closers, f) }

// nats connects to a NATS server: one in this process for embedded:DIR, which
// is started once per directory, else the one the URL names.
func (s *Stack) nats(ctx context.Context, cfg Config, u service) (*natsgo.Conn, error) {
	opts := jetstream.Options(cfg.Name, cfg.Logger)
	if u.scheme != "embedded" {
		conn, err := natsgo.Connect(u.raw, opts...)
		if errors.Is(err, natsgo.ErrAuthorization) {
			return nil, fmt.Errorf("connect to NATS at %s: %w: %w: %w", u.shown, broker.ErrUnavailable, broker.ErrRefused, err)
		}
		if err != nil {
			return nil, fmt.Errorf("connect to NATS at %s: %w: %w", u.shown, broker.ErrUnavailable, err)
		}
		s.onClose(func() error { conn.Close(); return nil })
		return conn, nil
	}
	server := s.servers[u.path]
	if server == nil {
		var err error
		if server, err = natsd.Start(ctx, natsd.Config{Dir: u.path, Logger: cfg.Logger}); err != nil {
			return nil, err
		}
		s.servers[u.path] = server
		s.onClose(func() error { server.Shutdown(); return nil })
	}
	conn, err := server.Connect(opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded broker: %w", err)
	}
	s.onClose(func() error { conn.Close(); return nil })
	return conn, nil
}

// ErrURL says that the URL of a service is not one.
var ErrURL = errors.New("not the URL of a service")

// badURL is ErrURL in words of its own.
type badURL struct{ message string }

func (e *badURL) Error() string        { return e.message }
func (e *badURL) Is(target error) bool { return target == ErrURL }

func badURLf(format string, args ...any) error { return &badURL{fmt.Sprintf(format, args...)} }

// service is a parsed URL of a service.
type service struct {
	scheme string
	raw    string // as a driver wants it
	shown  string // without a password
	path   string // of embedded: and sqlite:
	prefix string
}

// parse reads the URL of a service; what is its kind, for messages.
func parse(what, raw string) (service, error) {
	scheme, rest, ok := strings.Cut(raw, ":")
	if !ok || scheme == "" {
		return service{}, badURLf("the %s needs a URL like %s", what, examples[what])
	}
	if scheme == "embedded" || scheme == "sqlite" {
		path, query, _ := strings.Cut(strings.TrimPrefix(rest, "//"), "?")
		if path == "" {
			return service{}, badURLf("the %s URL %s: names no path", what, scheme)
		}
		values, _ := url.ParseQuery(query)
		return service{scheme: scheme, raw: raw, shown: raw, path: path, prefix: values.Get("prefix")}, nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		// The parser's error repeats the URL, and with it the password.
		return service{}, badURLf("the %s URL cannot be read: it should look like %s", what, examples[what])
	}
	q := u.Query()
	prefix := q.Get("prefix")
	q.Del("prefix")
	u.RawQuery = q.Encode()
	if u.Scheme == "pyamqp" { // the original's name for it
		u.Scheme = "amqp"
	}
	return service{scheme: u.Scheme, raw: u.String(), shown: u.Redacted(), prefix: prefix}, nil
}

var examples = map[string]string{
	"broker":   "amqp://user:password@host:5672/ (or nats://host:4222, or embedded:DIR)",
	"backend":  "redis://host:6379/0 (or nats://host:4222, or embedded:DIR)",
	"database": "postgres://user:password@host:5432/flow (or sqlite:FILE, or embedded:DIR)",
}
