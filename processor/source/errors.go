package source

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/elasticcode/flow/processor"
)

func fault(message string, err error, permanent bool) *processor.Error {
	return &processor.Error{Code: processor.CodeSource, Message: message, Permanent: permanent, Err: err}
}

// remoteError says in words what keeps a repository from being had. The text of
// err is kept only where it cannot hold more than the address.
func remoteError(clean string, c Credentials, err error) error {
	if _, ok := errors.AsType[*processor.Error](err); ok {
		return err
	}
	var dns *net.DNSError
	var netErr net.Error
	switch {
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return emptyRepository(clean)
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fault(fmt.Sprintf("repository %s does not exist, or is not shown to you: check the URL, and the credentials if it is private", clean), nil, true)
	case errors.Is(err, transport.ErrAuthenticationRequired) && c == "":
		return fault(fmt.Sprintf("repository %s does not exist, or needs credentials: check the URL, or give them as https://user:token@host/…", clean), nil, true)
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		return fault(fmt.Sprintf("repository %s refuses these credentials: check that they are right, not expired, and may read it", clean), nil, true)
	case errors.Is(err, context.DeadlineExceeded):
		return fault(fmt.Sprintf("repository %s did not answer in time: check the network and try again", clean), context.DeadlineExceeded, false)
	case errors.Is(err, context.Canceled):
		return fault(fmt.Sprintf("fetching repository %s was cancelled", clean), context.Canceled, false)
	case strings.Contains(err.Error(), "knownhosts"):
		return fault(fmt.Sprintf("the host of repository %s is not known: check its key and add it to ~/.ssh/known_hosts (ssh-keyscan HOST)", clean), nil, true)
	case strings.Contains(err.Error(), "ssh: unable to authenticate"), strings.Contains(err.Error(), "SSH agent"):
		return fault(fmt.Sprintf("repository %s refuses ssh without a key it knows: give the user that runs this process a key, or start its ssh-agent", clean), nil, true)
	case errors.As(err, &dns):
		return fault(fmt.Sprintf("repository %s: there is no host %s: check the URL and the network", clean, dns.Name), nil, false)
	case errors.As(err, &netErr) && netErr.Timeout():
		return fault(fmt.Sprintf("repository %s did not answer in time: check the network and try again", clean), nil, false)
	case errors.As(err, &netErr):
		return fault(fmt.Sprintf("repository %s cannot be reached: check the network and try again", clean), err, false)
	}
	return fault(fmt.Sprintf("repository %s cannot be read: check the URL", clean), err, false)
}

func localError(path string, err error) error {
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return fault(fmt.Sprintf("there is no git repository at %s on this machine: check the path, or run git init and commit there", path), nil, true)
	}
	return fault(fmt.Sprintf("the git repository at %s cannot be read", path), err, false)
}

func emptyRepository(clean string) error {
	return fault(fmt.Sprintf("repository %s has no commits yet: commit and push something first", clean), nil, true)
}

func noSuch(kind Kind, name, clean string, known []string) error {
	what := string(kind)
	if what == "" {
		what = "branch, tag or commit"
	}
	hint := "it has none"
	if len(known) > 0 {
		slices.Sort(known)
		more := ""
		if len(known) > maxListed {
			more = fmt.Sprintf(" and %d more", len(known)-maxListed)
			known = known[:maxListed]
		}
		hint = "it has " + strings.Join(known, ", ") + more
	}
	if kind == Commit {
		hint = "check the hash, and that it was pushed"
	}
	return fault(fmt.Sprintf("repository %s has no %s %q: %s", clean, what, name, hint), nil, true)
}

// maxListed is how many names an error lists.
const maxListed = 8
