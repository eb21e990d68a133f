package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/result"
)

// afterglow is how long a claim that ended is remembered, in milliseconds, so
// that the next token is larger than its token whatever the clock does.
const afterglow = "60000"

// claimScript claims calls. KEYS are those of the calls, and the one that says since
// when Redis remembers; ARGV are the holder, the lease, the afterglow and Unsettled in
// milliseconds. The answer for a call is its result (which begins with "{"), "g" and the
// token of a grant, or "h", the milliseconds that remain, a blank and who holds it. The
// last answer is "u" when grants are unsure, and empty else: to look for a flush in a
// step of its own would miss one.
var claimScript = redis.NewScript(`
local call, format = redis.call, string.format
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local fresh = clock[1] * 1000000 + clock[2]
local holder, lease = ARGV[1], tonumber(ARGV[2])
local till, ttl = format('%.0f ', now + lease), format('%.0f', lease + tonumber(ARGV[3]))
-- What most calls are told: nobody has claimed them before.
local first, granted = format('%.0f ', fresh) .. till .. holder, format('g%.0f', fresh)
local answers, last = {}, #KEYS
for i = 1, last - 1 do
  local key = KEYS[i]
  local known = call('SET', key, first, 'NX', 'GET', 'PX', ttl)
  if not known then
    answers[i] = granted
  elseif string.byte(known) == 123 then -- "{": a result
    answers[i] = known
  else
    local token, ends, who = string.match(known, '^(%d+) (%d+) (.*)$')
    token, ends = tonumber(token), tonumber(ends)
    local held = who ~= '' and ends > now
    if held and who ~= holder then
      answers[i] = format('h%.0f %s', ends - now, who)
    else
      if not held then token = math.max(fresh, token + 1) end
      call('SET', key, format('%.0f ', token) .. till .. holder, 'PX', ttl)
      answers[i] = format('g%.0f', token)
    end
  end
end
local since = call('GET', KEYS[last])
answers[last] = (not since or fresh - string.match(since, '^%d+') < ARGV[4] * 1000) and 'u' or ''
return answers
`)

// releaseScript ends claims. KEYS are those of the calls; ARGV are the holder and
// the afterglow. A result does not look like a claim.
var releaseScript = redis.NewScript(`
local known = redis.call('MGET', unpack(KEYS))
for i, claim in ipairs(KEYS) do
  local token, who = string.match(known[i] or '', '^(%d+) %d+ (.*)$')
  if who == ARGV[1] then redis.call('SET', KEYS[i], token .. ' 0 ', 'PX', ARGV[2]) end
end
`)

// Claim asks to run the calls, in one round trip for each thousand.
func (s *Store) Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]result.Claim, error) {
	if err := result.CheckClaim(holder, lease, calls); err != nil {
		return nil, err
	}
	claims := make([]result.Claim, 0, len(calls))
	err := chunks(calls, batch, func(calls []string) error {
		some, err := s.claim(ctx, holder, lease, calls)
		if err != nil {
			return fmt.Errorf("claim %d calls: %w", len(calls), err)
		}
		claims = append(claims, some...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claims, nil
}

// claim is one round trip of Claim.
func (s *Store) claim(ctx context.Context, holder string, lease time.Duration, calls []string) ([]result.Claim, error) {
	keys := append(s.keys(calls), s.memoryKey())
	answers, err := claimScript.Run(ctx, s.client, keys, holder, lease.Milliseconds(), afterglow, result.Unsettled.Milliseconds()).StringSlice()
	if err != nil {
		return nil, wrap(ctx, err)
	}
	if len(answers) != len(keys) {
		return nil, fmt.Errorf("the script gave %d answers to %d questions", len(answers), len(keys))
	}
	unsure := answers[len(calls)] != ""
	if !unsure {
		if unsure, err = s.startedLately(ctx); err != nil {
			return nil, err
		}
	}
	claims := make([]result.Claim, len(calls))
	for i, call := range calls {
		if claims[i], err = parseClaim(answers[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", call, err)
		}
		claims[i].Unsure = claims[i].Granted && unsure
	}
	return claims, nil
}

// parseClaim reads one answer of the script.
func parseClaim(text string) (result.Claim, error) {
	switch {
	case strings.HasPrefix(text, "{"):
		r, err := result.Decode([]byte(text))
		return result.Claim{Result: &r}, err
	case strings.HasPrefix(text, "g"):
		token, err := strconv.ParseInt(text[1:], 10, 64)
		return result.Claim{Granted: true, Token: token}, err
	case strings.HasPrefix(text, "h"):
		left, who, _ := strings.Cut(text[1:], " ")
		ms, err := strconv.ParseInt(left, 10, 64)
		return result.Claim{Holder: who, Remaining: time.Duration(ms) * time.Millisecond}, err
	}
	return result.Claim{}, fmt.Errorf("the script answered %.40q", text)
}

// run runs a script on the keys of calls.
func (s *Store) run(ctx context.Context, script *redis.Script, calls []string, args ...any) ([]any, error) {
	answers, err := script.Run(ctx, s.client, s.keys(calls), args...).Slice()
	if errors.Is(err, redis.Nil) {
		err = nil // the script has nothing to tell
	}
	return answers, err
}

// Release ends the holder's claims without a result.
func (s *Store) Release(ctx context.Context, holder string, calls ...string) error {
	return chunks(calls, batch, func(calls []string) error {
		if _, err := s.run(ctx, releaseScript, calls, holder, afterglow); err != nil {
			return fmt.Errorf("release %d calls: %w", len(calls), wrap(ctx, err))
		}
		return nil
	})
}
