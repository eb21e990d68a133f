package amqp

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

// Config says which RabbitMQ to use, and how.
type Config struct {
	// URLs are amqp:// or amqps:// URLs. Several are nodes of one cluster; they
	// are tried in random order. Required.
	URLs []string
	// Prefix is put before the name of every exchange and queue, and cut off on
	// the way back. Default: none.
	Prefix string
	// Name is shown as the name of the connections by RabbitMQ's own tools.
	// Default: flow.
	Name string
	// PublishTimeout is how long Publish and the calls about queues may take when
	// their context allows more. Default: 10 s.
	PublishTimeout time.Duration
	// Window is how many messages may be unconfirmed at a time. Default: 256.
	Window int
	// MaxMessageBytes is the largest body that is published; larger ones fail with
	// ErrTooLarge. Default: 16 MiB, what RabbitMQ 4 allows unless told otherwise.
	MaxMessageBytes int
	// Logger is told of connections lost and made. Default: nobody.
	Logger *slog.Logger

	// openWait bounds Open; writeWait bounds one write to a socket, after which
	// the peer counts as gone; maxConsumers share a connection. Only tests change them.
	openWait, writeWait time.Duration
	maxConsumers        int
}

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = "flow"
	}
	if c.PublishTimeout == 0 {
		c.PublishTimeout = 10 * time.Second
	}
	if c.Window == 0 {
		c.Window = 256
	}
	if c.MaxMessageBytes == 0 {
		c.MaxMessageBytes = 16 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.openWait == 0 {
		c.openWait = 10 * time.Second
	}
	if c.writeWait == 0 {
		c.writeWait = 10 * time.Second
	}
	if c.maxConsumers == 0 {
		c.maxConsumers = 1000
	}
	return c
}

// host is one URL, taken apart so that no error needs to show it whole.
type host struct {
	url  string
	addr string // host and port, fit to be shown
}

func (c Config) hosts() ([]host, error) {
	if len(c.URLs) == 0 {
		return nil, errors.New("no AMQP URL is given: name at least one, like amqp://user:password@host:5672/")
	}
	if c.PublishTimeout < 0 || c.Window < 0 || c.MaxMessageBytes < 0 {
		return nil, errors.New("PublishTimeout, Window and MaxMessageBytes cannot be negative")
	}
	out := make([]host, len(c.URLs))
	for i, raw := range c.URLs {
		u, err := amqp091.ParseURI(raw)
		if err != nil {
			// The parser's error quotes the URL, and with it the password.
			return nil, fmt.Errorf("AMQP URL number %d cannot be read: it must look like amqp://user:password@host:5672/vhost, with special characters percent-encoded", i+1)
		}
		out[i] = host{url: raw, addr: net.JoinHostPort(u.Host, strconv.Itoa(u.Port))}
	}
	return out, nil
}
