package main

import (
	"cmp"
	"encoding/json"
	"net/url"
	"os"
	"time"

	"github.com/elasticcode/flow/model"
)

// urls are where the services are; the environment can name others.
type urls struct{ amqp, redis, postgres string }

func services() urls {
	return urls{
		amqp:     cmp.Or(os.Getenv("TEST_AMQP_URL"), "amqp://guest:guest@127.0.0.1:5672/"),
		redis:    cmp.Or(os.Getenv("TEST_REDIS_URL"), "redis://127.0.0.1:6379/0"),
		postgres: cmp.Or(os.Getenv("TEST_POSTGRES_URL"), "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"),
	}
}

// with sets a parameter in the query of a URL.
func with(raw, key, value string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// payload is the one argument of every call.
const payload = `"the quick brown fox jumps over the lazy dog, 64 characters of it"`

// envelope is a call as Flow sends it: the same size for all.
func envelope() []byte {
	body, err := json.Marshal(model.Envelope{
		ID: model.NewID(), Tracking: model.NewID(), Network: model.DefaultNetwork, Socket: "bench.noop",
		Args: []json.RawMessage{json.RawMessage(payload)}, Origin: "admin", Created: time.Now().UTC(),
	})
	if err != nil {
		panic(err) // our own struct
	}
	return body
}
