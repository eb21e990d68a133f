package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/elasticcode/flow/model"
)

// How long the outcome of a verification is used; the package comment explains.
const (
	Fresh = 10 * time.Second
	Stale = 30 * time.Second
	Grace = 10 * time.Minute
)

const (
	touchEvery   = time.Minute
	lookupLimit  = 5 * time.Second
	maxRemembers = 4096
)

// Why a caller is refused.
var (
	// ErrNoToken says that the caller showed no token.
	ErrNoToken = errors.New("no token was given")
	// ErrBadToken says that the token is not known, was revoked or has ended.
	ErrBadToken = errors.New("the token is not valid")
	// ErrUnavailable says that the token cannot be verified now.
	ErrUnavailable = errors.New("the token cannot be verified now")
	// ErrDenied says that the token's scope does not allow the operation.
	ErrDenied = errors.New("the token does not allow this")
)

// Tokens is where tokens are kept.
type Tokens interface {
	// TokenByHash returns the token with the hash.
	TokenByHash(ctx context.Context, hash []byte) (model.Token, error)
	// TouchToken notes when the token was last used.
	TouchToken(ctx context.Context, id string, at time.Time) error
}

// Config is what a Guard needs.
type Config struct {
	Tokens Tokens
	// Unknown tells whether an error of Tokens means that there is no such
	// token; any other error means that it cannot be told now.
	Unknown func(error) bool
	Logger  *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Guard verifies tokens. It may be used by many goroutines at the same time.
type Guard struct {
	tokens  Tokens
	unknown func(error) bool
	log     *slog.Logger
	now     func() time.Time

	mu    sync.Mutex // guards known and the entries in it
	known map[[sha256.Size]byte]*entry
}

// entry is a token that was verified.
type entry struct {
	token      model.Token
	verified   time.Time
	touched    time.Time
	refreshing bool // one request verifies again, the others need not wait
}

// NewGuard returns a guard.
func NewGuard(c Config) (*Guard, error) {
	if c.Tokens == nil || c.Unknown == nil || c.Logger == nil {
		return nil, errors.New("a guard needs tokens, a way to tell an unknown one, and a logger")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Guard{
		tokens: c.Tokens, unknown: c.Unknown, log: c.Logger.With("component", "access"), now: c.Now,
		known: map[[sha256.Size]byte]*entry{},
	}, nil
}

// Verify returns the token that the secret stands for. The error is one of
// ErrNoToken, ErrBadToken and ErrUnavailable, wrapped.
func (g *Guard) Verify(ctx context.Context, secret string) (model.Token, error) {
	switch {
	case secret == "":
		return model.Token{}, ErrNoToken
	case !WellFormed(secret):
		return model.Token{}, fmt.Errorf("%w: it is incomplete or mistyped", ErrBadToken)
	}
	// The map and the database are searched for the hash of the secret. How
	// long that takes tells nothing about the secret itself.
	key := sha256.Sum256([]byte(secret))
	token, settled := g.remembered(key)
	if !settled {
		var err error
		if token, err = g.lookup(ctx, key); err != nil {
			return model.Token{}, err
		}
	}
	if token.Expires != nil && !g.now().Before(*token.Expires) {
		return model.Token{}, fmt.Errorf("%w: it ended on %s", ErrBadToken, token.Expires.Format(time.DateTime))
	}
	return token, nil
}

// remembered returns a token that needs no verification now.
func (g *Guard) remembered(key [sha256.Size]byte) (model.Token, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.known[key]
	if e == nil {
		return model.Token{}, false
	}
	age := g.now().Sub(e.verified)
	if age < Fresh || e.refreshing && age < Stale {
		return e.token, true
	}
	e.refreshing = true
	return model.Token{}, false
}

// lookup asks the store. The caller's context is not used to end it: the
// answer is for others, too.
func (g *Guard) lookup(ctx context.Context, key [sha256.Size]byte) (model.Token, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupLimit)
	defer cancel()
	token, err := g.tokens.TokenByHash(ctx, key[:])
	switch {
	case err == nil:
		g.remember(ctx, key, token)
		return token, nil
	case g.unknown(err):
		g.mu.Lock()
		delete(g.known, key)
		g.mu.Unlock()
		return model.Token{}, fmt.Errorf("%w: it is unknown or was revoked", ErrBadToken)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.known[key]
	if e == nil || g.now().Sub(e.verified) >= Grace {
		return model.Token{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	e.refreshing = false
	return e.token, nil
}

// remember keeps the token, and notes its use once in a while.
func (g *Guard) remember(ctx context.Context, key [sha256.Size]byte, token model.Token) {
	now := g.now()
	g.mu.Lock()
	e := g.known[key]
	if e == nil {
		g.makeRoom()
		e = &entry{}
		g.known[key] = e
	}
	e.token, e.verified, e.refreshing = token, now, false
	touch := now.Sub(e.touched) >= touchEvery
	if touch {
		e.touched = now
	}
	g.mu.Unlock()
	if !touch {
		return
	}
	if err := g.tokens.TouchToken(ctx, token.ID, now); err != nil {
		g.log.DebugContext(ctx, "use of token not noted", "err", err)
	}
}

// makeRoom bounds what is remembered. mu is held.
func (g *Guard) makeRoom() {
	if len(g.known) < maxRemembers {
		return
	}
	for key := range g.known { // any one: it is verified again when it is used
		delete(g.known, key)
		return
	}
}

// Forget makes a token that was revoked here end at once.
func (g *Guard) Forget(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, e := range g.known {
		if e.token.ID == id {
			delete(g.known, key)
		}
	}
}
