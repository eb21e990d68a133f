package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/event"
)

// publishScript adds the entries to the stream, rings the bell, and publishes
// what is in them if anybody listens.
//
//	KEYS[1] the stream      ARGV[1] its length     ARGV[2] the bell
//	ARGV[3] the prefix of channels                 ARGV[4] the number n of entries
//	ARGV[5] "1" to publish without asking, "0" not ARGV[6..5+n] the entries
//	the rest: the names of the channels in them, each once
var publishScript = redis.NewScript(`
local n = tonumber(ARGV[4])
for i = 6, 5 + n do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'e', ARGV[i])
end
redis.call('SPUBLISH', ARGV[2], '')
if ARGV[5] == '0' then return end
if ARGV[5] ~= '1' and redis.call('PUBSUB', 'NUMPAT') == 0 then
  local heard = redis.call('PUBSUB', 'NUMSUB', unpack(ARGV, 6 + n))
  local any = 0
  for i = 2, #heard, 2 do any = any + heard[i] end
  if any == 0 then return end
end
for i = 6, 5 + n do
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
    for c = 1, count do redis.call('PUBLISH', ARGV[3] .. channels[c], data) end
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

// Publish sends the messages in one round trip. An error says that they are
// lost, or at least some of them.
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
	loud := ""
	if !few {
		loud, names = "1", nil
	}
	if err := b.add(ctx, b.all, msgs, loud, names); err != nil {
		return err
	}
	var engine []event.Message
	for _, m := range msgs {
		if strings.HasPrefix(m.Channel, engineChannels) {
			engine = append(engine, m)
		}
	}
	return b.add(ctx, b.engine, engine, "0", nil)
}

// add puts the messages on a track.
func (b *Bus) add(ctx context.Context, to track, msgs []event.Message, loud string, names []any) error {
	entries, err := event.Pack(msgs)
	if err != nil || len(entries) == 0 {
		return err
	}
	args := make([]any, 0, 5+len(entries)+len(names))
	args = append(args, b.cfg.Backlog, to.bell, b.cfg.Prefix, len(entries), loud)
	for _, e := range entries {
		args = append(args, e)
	}
	if err := publishScript.Run(ctx, b.client, []string{to.stream}, append(args, names...)...).Err(); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("publish %d events: %w", len(msgs), wrap(ctx, err))
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
