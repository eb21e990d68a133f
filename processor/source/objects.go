package source

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// open opens the repository in the cache as it is now: objects that are added
// later are not seen by what it returns.
func (r repository) open() *filesystem.Storage {
	return filesystem.NewStorage(osfs.New(r.bare), cache.NewObjectLRU(16*cache.MiByte))
}

// make makes the repository in the cache if it is not there. It is called with
// the lock held.
func (r repository) make() error {
	_, err := git.PlainOpen(r.bare)
	if err == nil {
		return nil
	}
	if !errors.Is(err, git.ErrRepositoryNotExists) { // half made, by a process that was killed
		if err := os.RemoveAll(r.bare); err != nil {
			return cacheError(err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(r.bare), 0o755); err != nil {
		return cacheError(err)
	}
	if _, err = git.PlainInit(r.bare, true); err != nil && !errors.Is(err, git.ErrRepositoryAlreadyExists) {
		return cacheError(err)
	}
	return nil
}

func cacheError(err error) error {
	return fault("the cache of repositories cannot be written: check the folder, its rights and the disk", err, false)
}

// has tells whether a commit is in the cache. Objects come in packs that are
// complete, so its files are there too.
func (r repository) has(commit string) bool {
	if !isDir(r.bare) {
		return false
	}
	_, err := object.GetCommit(r.open(), plumbing.NewHash(commit))
	return err == nil
}

// tagged returns the commit of an annotated tag, when both are in the cache.
func (r repository) tagged(tag string) string {
	if !isDir(r.bare) {
		return ""
	}
	found, err := object.GetTag(r.open(), plumbing.NewHash(tag))
	if err != nil {
		return ""
	}
	commit, err := found.Commit()
	if err != nil {
		return ""
	}
	return commit.Hash.String()
}

// commitsWithPrefix lists the commits in the cache that begin with the digits.
func commitsWithPrefix(s *filesystem.Storage, prefix string) ([]string, error) {
	raw, err := hex.DecodeString(prefix[:len(prefix)/2*2])
	if err != nil {
		return nil, err
	}
	hashes, err := s.HashesWithPrefix(raw)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var found []string
	for _, h := range hashes {
		full := h.String()
		if !strings.HasPrefix(full, prefix) || seen[full] {
			continue
		}
		seen[full] = true
		if _, err := object.GetCommit(s, h); err == nil {
			found = append(found, full)
		}
	}
	return found, nil
}

// one returns the only commit of a list.
func one(found []string, r repository, prefix string) (string, error) {
	switch len(found) {
	case 0:
		return "", noSuch(Commit, prefix, r.url, nil)
	case 1:
		return found[0], nil
	}
	return "", fault(fmt.Sprintf("repository %s has %d commits that begin with %s: give more digits", r.url, len(found), prefix), nil, true)
}
