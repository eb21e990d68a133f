package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

// Large values have a stream of their own. A value is cut into parts that fit
// into a message of any NATS server; each has the subject PREFIXflow.blob.HASH.PART,
// which keeps its newest message. The header of every part says how many there are.

var _ result.Blobs = (*Store)(nil)

const (
	headerParts = "Flow-Parts"
	// maxParts is how many parts are kept; the oldest go first, and then the
	// database is asked: 4 GiB of whole parts.
	maxParts = 8192
	// partsAtOnce is how many parts are under way together.
	partsAtOnce = 32
)

func (s *Store) blobStream() string { return s.cfg.Prefix + "FLOW_BLOBS" }

func (s *Store) partSubject(hash string, part int) string {
	return s.cfg.Prefix + "flow.blob." + hash + "." + strconv.Itoa(part)
}

// ensureBlobs makes the stream of large values, or fits it.
func (s *Store) ensureBlobs(ctx context.Context) error {
	cfg := jetstream.StreamConfig{
		Name: s.blobStream(), Subjects: []string{s.cfg.Prefix + "flow.blob.*.*"},
		Description: "Flow: large values of calls, in parts",
		Retention:   jetstream.LimitsPolicy, Discard: jetstream.DiscardOld,
		MaxMsgsPerSubject: 1, MaxMsgs: maxParts, AllowDirect: true, AllowMsgTTL: true,
	}
	if s.cfg.MemoryStorage {
		cfg.Storage = jetstream.MemoryStorage
	}
	_, err := s.js.CreateOrUpdateStream(ctx, cfg)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process was faster
		return nil
	}
	return err
}

// Keep keeps large values.
func (s *Store) Keep(ctx context.Context, ttl time.Duration, blobs ...model.Blob) error {
	if ttl < time.Millisecond {
		return fmt.Errorf("keep large values for %v: they must be kept for a millisecond or longer", ttl)
	}
	var questions []*nats.Msg
	for _, b := range blobs {
		if !token(b.Hash) {
			return fmt.Errorf("keep a large value: %.80q is not a hash", b.Hash)
		}
		for _, p := range b.Parts() {
			m := nats.NewMsg(s.partSubject(p.Hash, p.Part))
			m.Data = p.Data
			m.Header[headerParts] = []string{strconv.Itoa(p.Parts)}
			m.Header["Nats-TTL"] = []string{strconv.FormatInt(max(1, int64((ttl+time.Second-1)/time.Second)), 10)}
			questions = append(questions, m)
		}
	}
	answers, err := s.askParts(ctx, questions)
	if err != nil {
		return fmt.Errorf("keep %d large values: %w", len(blobs), wrap(ctx, err))
	}
	for _, m := range answers {
		if _, err := acked(m); err != nil {
			return fmt.Errorf("keep %d large values: %w", len(blobs), wrap(ctx, err))
		}
	}
	return nil
}

// Fetch returns those of the values of which all parts are here.
func (s *Store) Fetch(ctx context.Context, hashes ...string) (map[string]json.RawMessage, error) {
	found, err := s.parts(ctx, hashes)
	if err != nil {
		return nil, fmt.Errorf("fetch %d large values: %w", len(hashes), wrap(ctx, err))
	}
	return found, nil
}

// parts asks for the first part of each value, and then for the others of those
// that are here.
func (s *Store) parts(ctx context.Context, hashes []string) (map[string]json.RawMessage, error) {
	hashes = slices.DeleteFunc(slices.Clone(hashes), func(h string) bool { return !token(h) })
	slices.Sort(hashes)
	hashes = slices.Compact(hashes)
	firsts := make([]*nats.Msg, len(hashes))
	for i, h := range hashes {
		firsts[i] = s.partQuestion(h, 0)
	}
	answers, err := s.askParts(ctx, firsts)
	if err != nil {
		return nil, err
	}
	found := make(map[string]json.RawMessage, len(hashes))
	for i, h := range hashes {
		parts, err := partOf(answers[i])
		if err != nil {
			return nil, err
		}
		if parts == 0 {
			continue
		}
		rest := make([]*nats.Msg, parts-1)
		for n := range rest {
			rest[n] = s.partQuestion(h, n+1)
		}
		more, err := s.askParts(ctx, rest)
		if err != nil {
			return nil, err
		}
		value, err := join(answers[i], more)
		if err != nil {
			return nil, err
		}
		if value != nil {
			found[h] = value
		}
	}
	return found, nil
}

// join puts the parts of a value together; nil when one is not there: it has
// expired a moment ago, or is being written.
func join(first *nats.Msg, more []*nats.Msg) (json.RawMessage, error) {
	value := slices.Clip(first.Data)
	for _, m := range more {
		parts, err := partOf(m)
		if err != nil || parts == 0 {
			return nil, err
		}
		value = append(value, m.Data...)
	}
	return value, nil
}

func (s *Store) partQuestion(hash string, part int) *nats.Msg {
	return &nats.Msg{Subject: "$JS.API.DIRECT.GET." + s.blobStream() + "." + s.partSubject(hash, part)}
}

// partOf tells of how many parts the one in the answer is; 0 when it is not there.
func partOf(m *nats.Msg) (int, error) {
	switch status := m.Header.Get("Status"); status {
	case "":
	case "404":
		return 0, nil
	default:
		return 0, fmt.Errorf("NATS answered %s %s", status, m.Header.Get("Description"))
	}
	n, err := strconv.Atoi(m.Header.Get(headerParts))
	if err != nil || n < 1 {
		return 0, fmt.Errorf("the message says %q parts", m.Header.Get(headerParts))
	}
	return n, nil
}

// askParts asks a few at a time: they are large.
func (s *Store) askParts(ctx context.Context, questions []*nats.Msg) ([]*nats.Msg, error) {
	answers := make([]*nats.Msg, 0, len(questions))
	for len(questions) > 0 {
		now := questions[:min(partsAtOnce, len(questions))]
		questions = questions[len(now):]
		some, err := s.ask(ctx, now)
		if err != nil {
			return nil, err
		}
		answers = append(answers, some...)
	}
	return answers, nil
}

// token tells whether a text can be one token of a subject as it is.
func token(text string) bool {
	for i := range len(text) {
		if !plain(text[i]) {
			return false
		}
	}
	return text != ""
}
