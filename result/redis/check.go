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
// one that the store can use; advice is what should be changed about one that it can.
func Check(ctx context.Context, client *redis.Client) (advice string, err error) {
	if err := client.Ping(ctx).Err(); err != nil {
		return "", wrap(ctx, err)
	}
	said, err := client.Info(ctx, "server").Result()
	if err != nil {
		return "", nil // some hosts do not let it be asked
	}
	version := fact(said, "redis_version")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < oldest {
		return "", fmt.Errorf("Redis %s is too old: Flow needs %d.0 or later", version, oldest)
	}
	if fact(said, "redis_mode") == "cluster" {
		return "", errors.New("it is a Redis Cluster, which Flow cannot use: give it a Redis that is none, with replicas or without")
	}
	return evicts(ctx, client), nil
}

// evicts says what is wrong when Redis removes what it keeps once its memory is full.
func evicts(ctx context.Context, client *redis.Client) string {
	said, err := client.Info(ctx, "memory").Result()
	most, policy := fact(said, "maxmemory"), fact(said, "maxmemory_policy")
	if err != nil || most == "" || most == "0" || policy == "" || policy == "noeviction" {
		return ""
	}
	return fmt.Sprintf("it removes claims and results when its memory is full (maxmemory-policy %s), and then a call may run twice: "+
		"set its maxmemory-policy to noeviction", policy)
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
