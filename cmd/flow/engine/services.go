package engine

import (
	"context"
	"errors"
	"expvar"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/stack"
	"github.com/elasticcode/flow/store"
)

// Services are the URLs of what runs behind Flow. A URL with a password is
// better given by the environment, where no process listing shows it.
type Services struct {
	Broker, Backend, DB string
}

// AddFlags adds --broker, --backend and, for those that open it, --db.
func (s *Services) AddFlags(cmd *cobra.Command, db bool) {
	cmd.Flags().StringVarP(&s.Broker, "broker", "r", "", "URL of the message broker: amqp://, nats:// or embedded:DIR [FLOW_BROKER]")
	cmd.Flags().StringVarP(&s.Backend, "backend", "b", "", "URL of results and events: redis://, nats:// or embedded:DIR [FLOW_BACKEND]")
	if db {
		cmd.Flags().StringVarP(&s.DB, "db", "d", "", "URL of the database: postgres://, sqlite:FILE or embedded:DIR [FLOW_DB]")
	}
}

// Fill takes what was not said from the environment, and then the fallback.
func (s *Services) Fill(env func(string) string, fallback Services) {
	s.Broker = first(s.Broker, env("FLOW_BROKER"), fallback.Broker)
	s.Backend = first(s.Backend, env("FLOW_BACKEND"), fallback.Backend)
	s.DB = first(s.DB, env("FLOW_DB"), fallback.DB)
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// Open opens the broker and the backend; name is how the services know us.
func (s *Services) Open(ctx context.Context, name string, log *slog.Logger) (*stack.Stack, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	opened, err := stack.Open(ctx, stack.Config{Broker: s.Broker, Backend: s.Backend, Name: name, Logger: log})
	if err == nil {
		held.Set(name, expvar.Func(func() any { return opened.Held() }))
	}
	return opened, explain(err)
}

// OpenStore opens the database.
func OpenStore(ctx context.Context, url string) (*store.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	db, err := stack.OpenStore(ctx, url)
	return db, explain(err)
}

// explain tells a URL that is wrong from a service that cannot be reached.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, stack.ErrURL):
		return &exit.Error{Code: exit.Usage, Message: err.Error(), Err: err}
	case errors.Is(err, broker.ErrUnavailable), errors.Is(err, result.ErrUnavailable), errors.Is(err, store.ErrUnavailable):
		return &exit.Error{Code: exit.Unreachable, Message: err.Error(), Err: err, Next: "start the service, or give its right address; plain 'flow up' needs none"}
	}
	return err
}

// health tells the server how the broker and the backend are.
func health(s *stack.Stack) func(ctx context.Context) (broker, backend client.Health) {
	return func(ctx context.Context) (broker, backend client.Health) {
		for _, h := range s.Health(ctx) {
			got := client.Health{OK: h.OK, Message: h.Message}
			if h.Name == "broker" {
				broker = got
			} else {
				backend = got
			}
		}
		return broker, backend
	}
}
