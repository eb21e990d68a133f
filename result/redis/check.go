package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// oldest is the first Redis that has sharded channels.
const oldest = 7

// Check tells whether Redis can be reached, as an ErrUnavailable, and whether it is
// one that the store can use.
func Check(ctx context.Context, client *redis.Client) error {
	if err := client.Ping(ctx).Err(); err != nil {
		return wrap(ctx, err)
	}
	said, err := client.Info(ctx, "server").Result()
	if err != nil {
		return nil // some hosts do not let it be asked
	}
	version := fact(said, "redis_version")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < oldest {
		return fmt.Errorf("Redis %s is too old: Flow needs %d.0 or later", version, oldest)
	}
	if fact(said, "redis_mode") == "cluster" {
		return errors.New("it is a Redis Cluster, which Flow cannot use: give it a Redis that is none, with replicas or without")
	}
	return nil
}

// fact returns what Redis' INFO says of one thing, nothing when it does not.
func fact(said, name string) string {
	for line := range strings.Lines(said) {
		if n, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && n == name {
			return value
		}
	}
	return ""
}
