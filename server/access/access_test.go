package access

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
)

var errUnknown = errors.New("unknown")

// tokens is a store of one token that can be unreachable.
type tokens struct {
	mu      sync.Mutex
	token   *model.Token
	hash    []byte
	down    error
	asked   int
	touched int
}

func (s *tokens) TokenByHash(_ context.Context, hash []byte) (model.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	switch {
	case s.down != nil:
		return model.Token{}, s.down
	case s.token == nil || !bytes.Equal(hash, s.hash):
		return model.Token{}, errUnknown
	}
	return *s.token, nil
}

func (s *tokens) TouchToken(context.Context, string, time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched++
	return nil
}

func (s *tokens) set(f func(*tokens)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func newGuard(t *testing.T, s *tokens) *Guard {
	t.Helper()
	g, err := NewGuard(Config{
		Tokens: s, Unknown: func(err error) bool { return errors.Is(err, errUnknown) }, Logger: testenv.Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestTokenForm(t *testing.T) {
	t.Parallel()
	secret, hash := NewToken()
	other, _ := NewToken()
	if secret == other || !WellFormed(secret) || !bytes.Equal(hash, Hash(secret)) {
		t.Fatalf("bad token of length %d", len(secret))
	}
	for name, bad := range map[string]string{
		"cut":         secret[:len(secret)-1],
		"no prefix":   "wolf_" + secret[5:],
		"one changed": secret[:10] + string('A'+(secret[10]-'A'+1)%10) + secret[11:],
		"empty":       "",
	} {
		if WellFormed(bad) {
			t.Errorf("%s: taken for a token", name)
		}
	}
}

func TestGuardCaches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		secret, hash := NewToken()
		s := &tokens{token: &model.Token{ID: "1", Scope: model.ScopeAdmin}, hash: hash}
		g, ctx := newGuard(t, s), context.Background()
		for range 10 {
			if _, err := g.Verify(ctx, secret); err != nil {
				t.Fatal(err)
			}
		}
		if s.asked != 1 || s.touched != 1 {
			t.Fatalf("asked %d times, touched %d times", s.asked, s.touched)
		}
		// Revoked elsewhere: it ends within Stale.
		s.set(func(s *tokens) { s.token = nil })
		time.Sleep(Stale)
		if _, err := g.Verify(ctx, secret); !errors.Is(err, ErrBadToken) {
			t.Fatalf("revoked token: %v", err)
		}
	})
}

func TestGuardSurvivesAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		secret, hash := NewToken()
		s := &tokens{token: &model.Token{ID: "1", Scope: model.ScopeAdmin}, hash: hash}
		g, ctx := newGuard(t, s), context.Background()
		if _, err := g.Verify(ctx, secret); err != nil {
			t.Fatal(err)
		}
		s.set(func(s *tokens) { s.down = errors.New("down") })
		time.Sleep(5 * time.Minute)
		if _, err := g.Verify(ctx, secret); err != nil {
			t.Fatalf("during the outage: %v", err)
		}
		stranger, _ := NewToken()
		if _, err := g.Verify(ctx, stranger); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("unknown token during the outage: %v", err)
		}
		time.Sleep(Grace)
		if _, err := g.Verify(ctx, secret); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("after the grace: %v", err)
		}
		s.set(func(s *tokens) { s.down = nil })
		if _, err := g.Verify(ctx, secret); err != nil {
			t.Fatalf("after the outage: %v", err)
		}
	})
}

func TestGuardEndsTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		secret, hash := NewToken()
		end := time.Now().Add(5 * time.Second)
		s := &tokens{token: &model.Token{ID: "1", Scope: model.ScopeAdmin, Expires: &end}, hash: hash}
		g, ctx := newGuard(t, s), context.Background()
		if _, err := g.Verify(ctx, secret); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if _, err := g.Verify(ctx, secret); !errors.Is(err, ErrBadToken) {
			t.Fatalf("expired token: %v", err)
		}
		s.set(func(s *tokens) { s.token = nil })
		g.Forget("1")
		if _, err := g.Verify(ctx, secret); !errors.Is(err, ErrBadToken) {
			t.Fatalf("forgotten token: %v", err)
		}
		if _, err := g.Verify(ctx, ""); !errors.Is(err, ErrNoToken) {
			t.Fatalf("no token: %v", err)
		}
		if _, err := g.Verify(ctx, "flow_x"); err == nil || strings.Contains(err.Error(), "flow_x") {
			t.Fatalf("the error tells the token: %v", err)
		}
	})
}

func TestAllow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scope     model.Scope
		operation string
		ok        bool
	}{
		{model.ScopeAdmin, "create-queue", true},
		{model.ScopeAgent, "heartbeat", true},
		{model.ScopeAgent, "get-plan", true},
		{model.ScopeAgent, "create-token", false},
		{model.ScopeAgent, "submit-call", false},
		{model.ScopeAdmin, "no-such-operation", false},
		{"", "heartbeat", false},
	} {
		if err := Allow(c.scope, c.operation); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrDenied) {
			t.Errorf("%s %s: %v", c.scope, c.operation, err)
		}
	}
}

func TestSealer(t *testing.T) {
	t.Parallel()
	s, err := NewSealer(bytes.Repeat([]byte{7}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	sealed := s.Seal([]byte("user:password"), "processor-1")
	if bytes.Contains(sealed, []byte("password")) {
		t.Fatal("the secret is in the sealed value")
	}
	if got, err := s.Open(sealed, "processor-1"); err != nil || string(got) != "user:password" {
		t.Fatalf("open: %q, %v", got, err)
	}
	if _, err := s.Open(sealed, "processor-2"); !errors.Is(err, ErrSealed) {
		t.Errorf("opened for another: %v", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := s.Open(bad, "processor-1"); !errors.Is(err, ErrSealed) {
			t.Fatalf("byte %d changed and it opens: %v", i, err)
		}
	}
	if _, err := s.Open(sealed[:5], "processor-1"); !errors.Is(err, ErrSealed) {
		t.Errorf("cut value: %v", err)
	}
	if _, err := NewSealer([]byte("short")); err == nil {
		t.Error("a short key was taken")
	}
}

func TestLoadOrCreateKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys", "seal.key")
	var wg sync.WaitGroup
	keys := make([][]byte, 8)
	for i := range keys {
		wg.Go(func() {
			key, err := LoadOrCreateKey(path)
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	wg.Wait()
	for _, key := range keys {
		if !bytes.Equal(key, keys[0]) || len(key) != KeySize {
			t.Fatal("two keys were made")
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode of the key file: %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateKey(path); err == nil || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("a readable key was taken: %v", err)
	}
}
