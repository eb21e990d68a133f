package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/memory"
	gossh "golang.org/x/crypto/ssh"
)

func (c *Cache) resolveRemote(ctx context.Context, r repository, kind Kind, name string) (string, error) {
	advertised, err := c.list(ctx, r)
	if err != nil {
		return "", err
	}
	found := advertisedRefs(advertised)
	hash, err := found.find(r.url, kind, name)
	if err != nil {
		return "", err
	}
	if hash != "" {
		err := c.ensure(ctx, r, hash)
		if err != nil { // some servers do not say which commit an annotated tag is of
			if commit := r.tagged(hash); commit != "" {
				return commit, nil
			}
		}
		return hash, err
	}
	prefix := strings.ToLower(name)
	commit, err := c.findPrefix(ctx, r, prefix)
	if err == nil && commit == "" {
		return "", noSuch(kind, name, r.url, found.names())
	}
	return commit, err
}

// findPrefix finds a commit by the beginning of its hash. That needs the history.
func (c *Cache) findPrefix(ctx context.Context, r repository, prefix string) (string, error) {
	unlock, err := r.take(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := r.make(); err != nil {
		return "", err
	}
	if err := c.fetch(ctx, r, 0, "+refs/heads/*:refs/fetched/heads/*", "+refs/tags/*:refs/fetched/tags/*"); err != nil {
		return "", err
	}
	commits, err := commitsWithPrefix(r.open(), prefix)
	if err != nil {
		return "", cacheError(err)
	}
	return one(commits, r, prefix)
}

// list asks for the references of a remote repository.
func (c *Cache) list(ctx context.Context, r repository) ([]*plumbing.Reference, error) {
	var out []*plumbing.Reference
	auth, err := authOf(r)
	if err == nil {
		err = bounded(ctx, func() (err error) {
			remote := git.NewRemote(memory.NewStorage(), remoteConfig(r))
			out, err = remote.ListContext(ctx, &git.ListOptions{Auth: auth, PeelingOption: git.AppendPeeled})
			return err
		})
	}
	if err != nil {
		return nil, remoteError(r.url, r.cred, err)
	}
	return out, nil
}

func remoteConfig(r repository) *config.RemoteConfig {
	return &config.RemoteConfig{Name: "origin", URLs: []string{r.url}}
}

// bounded waits for f no longer than ctx: some transports do not listen to it
// while they shake hands.
func bounded(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

const peeledSuffix = "^{}"

func advertisedRefs(list []*plumbing.Reference) *refs {
	out := newRefs()
	var head plumbing.ReferenceName
	for _, ref := range list {
		switch {
		case ref.Name() == plumbing.HEAD && ref.Type() == plumbing.SymbolicReference:
			head = ref.Target()
		case ref.Name() == plumbing.HEAD:
			out.head = ref.Hash().String()
		case !strings.HasSuffix(ref.Name().String(), peeledSuffix):
			out.add(ref.Name(), ref.Hash().String())
		}
	}
	for _, ref := range list { // the commits of annotated tags
		if name, ok := strings.CutSuffix(ref.Name().String(), peeledSuffix); ok {
			out.add(plumbing.ReferenceName(name), ref.Hash().String())
		}
	}
	if head != "" {
		out.head = out.branches[head.Short()]
	}
	return out
}

// fetchCommit brings a commit, and no history where the server can leave it
// out. It is called with the lock held.
func (c *Cache) fetchCommit(ctx context.Context, r repository, commit string) error {
	if err := r.make(); err != nil {
		return err
	}
	advertised, err := c.list(ctx, r)
	if err != nil {
		return err
	}
	specs := []string{commit + ":refs/fetched/commit"}
	for _, ref := range advertised {
		if name, _ := strings.CutSuffix(ref.Name().String(), peeledSuffix); ref.Hash().String() == commit && ref.Name() != plumbing.HEAD {
			specs = []string{"+" + name + ":refs/fetched/ref", specs[0]}
			break
		}
	}
	for _, spec := range specs {
		for _, depth := range []int{1, 0} {
			err := c.fetch(ctx, r, depth, spec)
			if r.has(commit) {
				return nil
			}
			if ctx.Err() != nil {
				return err
			}
		}
	}
	return c.fetch(ctx, r, 0, "+refs/heads/*:refs/fetched/heads/*", "+refs/tags/*:refs/fetched/tags/*")
}

// fetch fetches into the cache. References are not kept: objects alone are of
// use, and without references go-git does not offer the server commits whose history is not here.
func (c *Cache) fetch(ctx context.Context, r repository, depth int, specs ...string) error {
	auth, err := authOf(r)
	if err != nil {
		return remoteError(r.url, r.cred, err)
	}
	var refSpecs []config.RefSpec
	for _, s := range specs {
		refSpecs = append(refSpecs, config.RefSpec(s))
	}
	s := r.open()
	defer dropRefs(s)
	err = bounded(ctx, func() error {
		return git.NewRemote(s, remoteConfig(r)).FetchContext(ctx, &git.FetchOptions{
			RefSpecs: refSpecs, Auth: auth, Depth: depth, Tags: git.NoTags, Force: true,
		})
	})
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		return remoteError(r.url, r.cred, err)
	}
	return nil
}

func dropRefs(s *filesystem.Storage) {
	iter, err := s.IterReferences()
	if err != nil {
		return
	}
	var names []plumbing.ReferenceName
	_ = iter.ForEach(func(ref *plumbing.Reference) error {
		if strings.HasPrefix(ref.Name().String(), "refs/") {
			names = append(names, ref.Name())
		}
		return nil
	})
	for _, name := range names {
		_ = s.RemoveReference(name)
	}
}

// authOf returns how to show oneself to the repository.
func authOf(r repository) (transport.AuthMethod, error) {
	endpoint, err := transport.NewEndpoint(r.url)
	if err != nil {
		return nil, fault(fmt.Sprintf("%s is not a valid URL", r.url), nil, true)
	}
	user, password := r.cred.parts()
	switch endpoint.Protocol {
	case "ssh":
		auth, err := sshAuth(endpoint.User, password)
		return boundedSSH{auth}, err
	case "http", "https":
		if r.cred != "" {
			return &http.BasicAuth{Username: user, Password: password}, nil
		}
	}
	return nil, nil
}

// sshAuth uses the password if there is one, then the agent of the user who
// runs this process, then that user's keys without a passphrase.
func sshAuth(user, password string) (ssh.AuthMethod, error) {
	if user == "" {
		user = "git"
	}
	if password != "" {
		return &ssh.Password{User: user, Password: password}, nil
	}
	agent, agentErr := ssh.NewSSHAgentAuth(user)
	if agentErr == nil {
		return agent, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, agentErr
	}
	for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		if keys, err := ssh.NewPublicKeysFromFile(user, filepath.Join(home, ".ssh", name), ""); err == nil {
			return keys, nil
		}
	}
	return nil, agentErr
}

// boundedSSH gives connecting an end.
type boundedSSH struct{ ssh.AuthMethod }

const sshConnectTimeout = 30 * time.Second

// ClientConfig adds the time limit.
func (b boundedSSH) ClientConfig() (*gossh.ClientConfig, error) {
	c, err := b.AuthMethod.ClientConfig()
	if err == nil {
		c.Timeout = sshConnectTimeout
	}
	return c, err
}
