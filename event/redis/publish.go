package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/event"
)

// addScript adds squeezed entries to the stream, rings the bell, and tells whether
// anybody listens to one of the channels, or to a pattern.
//
//	KEYS[1] the stream      ARGV[1] its length     ARGV[2] the bell
//	ARGV[3] the number n of entries                ARGV[4..3+n] the entries
//	the rest: the names of the channels in them, each once; none: do not ask
var addScript = redis.NewScript(`
local n = tonumber(ARGV[3])
for i = 4, 3 + n do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'e', ARGV[i])
end
redis.call('SPUBLISH', ARGV[2], '')
if #ARGV == 3 + n then return 0 end
if redis.call('PUBSUB', 'NUMPAT') > 0 then return 1 end
local heard = redis.call('PUBSUB', 'NUMSUB', unpack(ARGV, 4 + n))
for i = 2, #heard, 2 do
  if heard[i] > 0 then return 1 end
end
return 0
`)

// tellScript publishes what is in entries. ARGV[1] is the prefix of channels, the
// rest are the entries, as they were packed.
var tellScript = redis.NewScript(`
for i = 2, #ARGV do
  local entry, at = ARGV[i], 1
  while at <= #entry do
    local count, len
    count, at = struct.unpack('>I4', entry, at)
    local channels = {}
    for c = 1, count do
      len, at = struct.unpack('>I4', entry, at)
      channels[c] = string.sub(entry, at, at + len - 1)
      at = at + len
    end
    len, at = struct.unpack('>I4', entry, at)
    local data = string.sub(entry, at, at + len - 1)
    at = at + len
    for c = 1, count do redis.call('PUBLISH', ARGV[1] .. channels[c], data) end
  end
end
`)

const (
	// maxNames is the largest number of channels for which it pays to ask who listens.
	maxNames = 64
	// maxMessages is the largest number of messages in one run of the script:
	// Redis does nothing else meanwhile.
	maxMessages = 3000
)

// Publish sends the messages in one round trip, or two where somebody listens. An
// error says that they are lost, or at least some of them.
func (b *Bus) Publish(ctx context.Context, msgs ...event.Message) error {
	for len(msgs) > maxMessages {
		if err := b.publish(ctx, msgs[:maxMessages]); err != nil {
			return err
		}
		msgs = msgs[maxMessages:]
	}
	return b.publish(ctx, msgs)
}

func (b *Bus) publish(ctx context.Context, msgs []event.Message) error {
	names, few := b.names(msgs)
	heard, err := b.add(ctx, b.all, msgs, names)
	if err == nil && (heard || !few) {
		err = b.tell(ctx, msgs)
	}
	if err != nil {
		return err
	}
	var engine []event.Message
	for _, m := range msgs {
		if strings.HasPrefix(m.Channel, engineChannels) {
			engine = append(engine, m)
		}
	}
	_, err = b.add(ctx, b.engine, engine, nil)
	return err
}

// add puts the messages on a track, and tells whether somebody listens to one of the names.
func (b *Bus) add(ctx context.Context, to track, msgs []event.Message, names []any) (heard bool, err error) {
	if len(msgs) == 0 {
		return false, nil
	}
	const entries = 2 // how many they are
	args := append(make([]any, 0, 16+len(names)), b.cfg.Backlog, to.bell, 0)
	for e, err := range event.Pack(msgs) {
		if err != nil {
			return false, err
		}
		args = append(args, event.Squeeze(e))
	}
	args[entries] = len(args) - entries - 1
	n, err := addScript.Run(ctx, b.client, []string{to.stream}, append(args, names...)...).Int()
	if err != nil {
		return false, fmt.Errorf("publish %d events: %w", len(msgs), wrap(ctx, err))
	}
	return n > 0, nil
}

// tell publishes the messages for those who listen as any client of Redis can.
func (b *Bus) tell(ctx context.Context, msgs []event.Message) error {
	args := []any{b.cfg.Prefix}
	for e, err := range event.Pack(msgs) {
		if err != nil {
			return err
		}
		args = append(args, bytes.Clone(e))
	}
	if err := tellScript.Run(ctx, b.client, nil, args...).Err(); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("publish %d events on channels: %w", len(msgs), wrap(ctx, err))
	}
	return nil
}

// names returns the channels as they are named on the wire, each once, and
// whether they are few.
func (b *Bus) names(msgs []event.Message) ([]any, bool) {
	seen := make(map[string]struct{}, 8)
	names := make([]any, 0, 8)
	for _, m := range msgs {
		if _, ok := seen[m.Channel]; ok {
			continue
		}
		if len(seen) == maxNames {
			return nil, false
		}
		seen[m.Channel] = struct{}{}
		names = append(names, b.cfg.Prefix+m.Channel)
	}
	return names, true
}
