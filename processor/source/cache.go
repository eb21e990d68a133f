package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/elasticcode/flow/processor/filelock"
	"github.com/elasticcode/flow/processor/shelf"
)

// Kind says what the name in a Ref is.
type Kind string

// The kinds. Without a kind a name is looked for as each of them, in this order.
const (
	Branch Kind = "branch"
	Tag    Kind = "tag"
	Commit Kind = "commit"
)

// Ref is a place in a repository.
type Ref struct {
	URL  string
	Kind Kind
	// Name is a branch, a tag or a commit (its hash, or enough of its
	// beginning, at least 4 digits); empty is the default branch.
	Name string
}

// DefaultTimeout ends an operation that has to reach a repository.
const DefaultTimeout = 5 * time.Minute

// Config is what a Cache needs.
type Config struct {
	// Dir is the folder of the cache; processes may share it.
	Dir string
	// Timeout bounds each operation that has to reach a repository; 0 means DefaultTimeout.
	Timeout time.Duration
	// Logger is required.
	Logger *slog.Logger
}

// Cache has repositories and checkouts below one folder.
type Cache struct {
	dir     string
	timeout time.Duration
	logger  *slog.Logger
}

// New returns a Cache.
func New(c Config) (*Cache, error) {
	switch {
	case c.Logger == nil:
		return nil, errors.New("source cache: a logger is required")
	case !filepath.IsAbs(c.Dir):
		return nil, fmt.Errorf("source cache: folder %q must be an absolute path", c.Dir)
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	return &Cache{dir: c.Dir, timeout: c.Timeout, logger: c.Logger.With("component", "source")}, nil
}

// repository is one repository of the cache.
type repository struct {
	url   string // without credentials
	cred  Credentials
	local string // its path, when it is on this machine
	bare  string // the folder of its objects in the cache
	lock  string // held alone by who fetches
	users string // the lock that is shared by who needs the objects
}

func (c *Cache) repository(rawURL string, cred Credentials) (repository, error) {
	clean, cred, err := prepared(rawURL, cred)
	if err != nil {
		return repository{}, err
	}
	local, _ := localPath(clean)
	base := filepath.Join(c.dir, "git", key(clean))
	return repository{url: clean, cred: cred, local: local, bare: base + bareSuffix, lock: base + lockSuffix, users: base + usersSuffix}, nil
}

// take locks the repository in the cache for who fetches.
func (r repository) take(ctx context.Context) (func(), error) {
	unlock, err := filelock.Lock(ctx, r.lock)
	if err != nil {
		return nil, fault(fmt.Sprintf("repository %s is being fetched by another process", r.url), err, false)
	}
	return unlock, nil
}

// reading keeps the objects that are in the cache, or come, from being removed.
func (r repository) reading(ctx context.Context) (done func(), err error) {
	done, err = filelock.Share(ctx, r.users)
	if err != nil {
		return nil, fault(fmt.Sprintf("the cache of repository %s is being tidied by another process", r.url), err, false)
	}
	now := time.Now()
	_ = os.Chtimes(r.users, now, now) // the repository is used
	return done, nil
}

// Resolve finds the commit that a Ref means now, and brings it into the cache.
// A full hash that is in the cache already is not asked for again.
func (c *Cache) Resolve(ctx context.Context, ref Ref, cred Credentials) (commit string, err error) {
	r, err := c.repository(ref.URL, cred)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	name := strings.TrimSpace(ref.Name)
	switch ref.Kind {
	case "", Branch, Tag, Commit:
	default:
		return "", fault(fmt.Sprintf("%q is none of branch, tag and commit", ref.Kind), nil, true)
	}
	if ref.Kind == Commit {
		name = strings.ToLower(name)
		if !hexName.MatchString(name) {
			return "", fault(fmt.Sprintf("%q is not a commit: give 4 to 40 hexadecimal digits", name), nil, true)
		}
	}
	done, err := r.reading(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	if fullHash.MatchString(name) && ref.Kind != Branch && ref.Kind != Tag {
		if err := c.ensure(ctx, r, name); err != nil {
			return "", err
		}
		return name, nil
	}
	if r.local != "" {
		return c.resolveLocal(ctx, r, ref.Kind, name)
	}
	return c.resolveRemote(ctx, r, ref.Kind, name)
}

var (
	fullHash = regexp.MustCompile(`^[0-9a-f]{40}$`)
	hexName  = regexp.MustCompile(`^[0-9a-f]{4,40}$`)
)

// Checkout returns a folder with the files of a commit, given by its full hash.
// Nobody may write to it. It stays at least until release was called, which may
// be called again; then it may be removed from the cache.
func (c *Cache) Checkout(ctx context.Context, rawURL, commit string, cred Credentials) (dir string, release func(), err error) {
	r, err := c.repository(rawURL, cred)
	if err != nil {
		return "", nil, err
	}
	if !fullHash.MatchString(commit) {
		return "", nil, fault(fmt.Sprintf("commit %q is not a full hash: resolve it first", commit), nil, true)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	dir, release, err = c.checkouts(key(r.url)).Take(ctx, commit, func(ctx context.Context, dir string) error {
		done, err := r.reading(ctx)
		if err != nil {
			return err
		}
		defer done()
		if err := c.ensure(ctx, r, commit); err != nil {
			return err
		}
		return c.writeCheckout(ctx, r, commit, dir)
	})
	if errors.Is(err, shelf.ErrBusy) {
		err = fault("another process is checking out commit "+commit, err, false)
	}
	return dir, release, err
}

// checkouts are those of a repository.
func (c *Cache) checkouts(key string) shelf.Shelf {
	return shelf.Shelf{Dir: filepath.Join(c.dir, "checkouts", key), Whole: isDir}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// ensure brings the objects of a commit into the cache.
func (c *Cache) ensure(ctx context.Context, r repository, commit string) error {
	if r.has(commit) {
		r.touch(commit)
		return nil
	}
	unlock, err := r.take(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if r.has(commit) {
		return nil
	}
	started := time.Now()
	if r.local != "" {
		err = c.copyLocal(ctx, r, plumbing.NewHash(commit))
	} else {
		err = c.fetchCommit(ctx, r, commit)
	}
	if err != nil {
		return err
	}
	if !r.has(commit) {
		return noSuch(Commit, commit, r.url, nil)
	}
	c.logger.InfoContext(ctx, "commit fetched", "gitrepo", r.url, "commit", commit, "duration", time.Since(started).Round(time.Millisecond))
	return nil
}
