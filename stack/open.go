package stack

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/elasticcode/flow/broker/amqp"
	"github.com/elasticcode/flow/broker/jetstream"
	"github.com/elasticcode/flow/broker/parcel"
	eventnats "github.com/elasticcode/flow/event/nats"
	eventredis "github.com/elasticcode/flow/event/redis"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/result/bolt"
	resultnats "github.com/elasticcode/flow/result/nats"
	resultredis "github.com/elasticcode/flow/result/redis"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/postgres"
	"github.com/elasticcode/flow/store/sqlite"
)

func (s *Stack) openBroker(ctx context.Context, cfg Config) error {
	u, err := parse("broker", cfg.Broker)
	if err != nil {
		return err
	}
	switch u.scheme {
	case "amqp", "amqps":
		b, err := amqp.Open(ctx, amqp.Config{URLs: []string{u.raw}, Prefix: u.prefix, Name: cfg.Name, Logger: cfg.Logger})
		if err != nil {
			return err
		}
		s.Broker = parcel.New(b)
		s.onClose(b.Close)
		s.health = append(s.health, check{"broker", func(context.Context) error {
			if ok, message := b.Health(); !ok {
				return fmt.Errorf("%s", message)
			}
			return nil
		}})
	case "nats", "tls", "embedded":
		conn, err := s.nats(ctx, cfg, u)
		if err != nil {
			return err
		}
		b, err := jetstream.Open(ctx, conn, jetstream.Config{Prefix: u.prefix, Logger: cfg.Logger})
		if err != nil {
			return err
		}
		s.Broker = parcel.New(b)
		s.onClose(b.Close)
		s.health = append(s.health, check{"broker", func(ctx context.Context) error {
			if server := s.servers[u.path]; server != nil {
				if err := server.Health(); err != nil {
					return err
				}
			}
			return conn.FlushWithContext(ctx)
		}})
	default:
		return badURLf("the broker URL's scheme %q is unknown: use %s", u.scheme, examples["broker"])
	}
	return nil
}

func (s *Stack) openBackend(ctx context.Context, cfg Config) error {
	u, err := parse("backend", cfg.Backend)
	if err != nil {
		return err
	}
	switch u.scheme {
	case "redis", "rediss":
		return s.openRedis(ctx, cfg, u)
	case "nats", "tls", "embedded":
		conn, err := s.nats(ctx, cfg, u)
		if err != nil {
			return err
		}
		if s.Events, err = eventnats.New(ctx, conn, eventnats.Config{Prefix: u.prefix, Logger: cfg.Logger}); err != nil {
			return err
		}
		if u.scheme == "embedded" {
			return s.openResults(ctx, cfg, u)
		}
		results, err := resultnats.New(ctx, conn, resultnats.Config{Prefix: u.prefix, Logger: cfg.Logger})
		if err != nil {
			return err
		}
		s.keepResults(results)
	default:
		return badURLf("the backend URL's scheme %q is unknown: use %s", u.scheme, examples["backend"])
	}
	return nil
}

// results is what all drivers of results have.
type results interface {
	result.Store
	Close() error
	Health(ctx context.Context) error
}

func (s *Stack) keepResults(r results) {
	s.Results = r
	s.onClose(r.Close)
	s.health = append(s.health, check{"backend", r.Health})
}

// openResults opens the results of a stack that is all in this process.
func (s *Stack) openResults(ctx context.Context, cfg Config, u service) error {
	r, err := bolt.Open(ctx, bolt.Config{Path: filepath.Join(u.path, u.prefix+"results.db"), Logger: cfg.Logger})
	if err != nil {
		return err
	}
	s.keepResults(r)
	return nil
}

// refusal is how Redis begins to say that a password is missing or wrong.
var refusal = regexp.MustCompile(`^(NOAUTH|WRONGPASS|NOPERM|ERR AUTH|ERR invalid password)`)

// openRedis opens two clients: news must never take the connections that
// results and claims need.
func (s *Stack) openRedis(ctx context.Context, cfg Config, u service) error {
	client := func() (*goredis.Client, error) {
		opts, err := goredis.ParseURL(u.raw)
		if err != nil {
			return nil, badURLf("the backend URL cannot be read: it should look like %s", examples["backend"])
		}
		opts.ClientName = strings.ReplaceAll(cfg.Name, " ", "-") // Redis takes no spaces there
		opts.ContextTimeoutEnabled = true
		opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		c := goredis.NewClient(opts)
		s.onClose(c.Close)
		return c, nil
	}
	forEvents, err := client()
	if err != nil {
		return err
	}
	forResults, err := client()
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	advice, err := resultredis.Check(asking, forResults)
	var said goredis.Error
	if errors.As(err, &said) && refusal.MatchString(said.Error()) {
		return fmt.Errorf("connect to Redis at %s: %w: %w: %w", u.shown, result.ErrUnavailable, result.ErrRefused, err)
	}
	if err != nil {
		return fmt.Errorf("connect to Redis at %s: %w", u.shown, err)
	}
	if advice != "" {
		cfg.Logger.Warn("Redis should be set up otherwise: "+advice, "redis", u.shown)
	}
	s.Events = eventredis.New(forEvents, eventredis.Config{Prefix: u.prefix, Logger: cfg.Logger})
	s.keepResults(resultredis.New(forResults, resultredis.Config{Prefix: u.prefix, Logger: cfg.Logger}))
	return nil
}

// OpenStore opens the database. It is for the server only.
func OpenStore(ctx context.Context, raw string) (*store.Store, error) {
	u, err := parse("database", raw)
	if err != nil {
		return nil, err
	}
	switch u.scheme {
	case "postgres", "postgresql":
		return postgres.Open(ctx, u.raw)
	case "sqlite":
		return sqlite.Open(ctx, u.path)
	case "embedded":
		return sqlite.Open(ctx, filepath.Join(u.path, "flow.db"))
	}
	return nil, badURLf("the database URL's scheme %q is unknown: use %s", u.scheme, examples["database"])
}
