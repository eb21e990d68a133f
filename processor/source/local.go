package source

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// openLocal opens a repository on this machine where it is. Its files are read
// directly: the file transport of go-git would need a git program.
func openLocal(path string) (*git.Repository, error) {
	repo, err := git.PlainOpenWithOptions(path, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	if err == nil {
		return repo, nil
	}
	if errors.Is(err, git.ErrRepositoryNotExists) {
		if root := rootAbove(path); root != "" {
			inside, _ := filepath.Rel(root, path)
			return nil, fault(fmt.Sprintf("%s is a folder inside the git repository %s: name that, and %s as the module path",
				path, root, filepath.ToSlash(inside)), nil, true)
		}
	}
	return nil, localError(path, err)
}

// rootAbove returns the repository that a folder is part of.
func rootAbove(path string) string {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if _, err := git.PlainOpen(dir); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

func (c *Cache) resolveLocal(ctx context.Context, r repository, kind Kind, name string) (string, error) {
	repo, err := openLocal(r.local)
	if err != nil {
		return "", err
	}
	refs, err := localRefs(repo)
	if err != nil {
		return "", localError(r.local, err)
	}
	hash, err := refs.find(r.url, kind, name)
	if err != nil {
		return "", err
	}
	if hash == "" {
		s, ok := repo.Storer.(*filesystem.Storage)
		if !ok {
			return "", noSuch(kind, name, r.url, nil)
		}
		found, err := commitsWithPrefix(s, strings.ToLower(name))
		if err != nil {
			return "", localError(r.local, err)
		}
		if len(found) == 0 && kind == "" {
			return "", noSuch(kind, name, r.url, refs.names())
		}
		if hash, err = one(found, r, name); err != nil {
			return "", err
		}
	}
	commit, err := peel(repo, plumbing.NewHash(hash))
	if err != nil {
		return "", fault(fmt.Sprintf("%s %q of repository %s is not a commit", kind, name, r.url), err, true)
	}
	return commit.String(), c.ensure(ctx, r, commit.String())
}

// peel follows annotated tags to their commit.
func peel(repo *git.Repository, h plumbing.Hash) (plumbing.Hash, error) {
	for range 10 { // a tag may be of a tag
		tag, err := repo.TagObject(h)
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			break
		}
		if err != nil {
			return h, err
		}
		h = tag.Target
	}
	_, err := repo.CommitObject(h)
	return h, err
}

func localRefs(repo *git.Repository) (*refs, error) {
	out := newRefs()
	iter, err := repo.References()
	if err != nil {
		return nil, err
	}
	err = iter.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() == plumbing.HashReference {
			out.add(ref.Name(), ref.Hash().String())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	head, err := repo.Head()
	if err == nil {
		out.head = head.Hash().String()
	} else if !errors.Is(err, plumbing.ErrReferenceNotFound) {
		return nil, err
	}
	return out, nil
}

// copyLocal copies a commit, its folders and files, as one pack.
func (c *Cache) copyLocal(ctx context.Context, r repository, commit plumbing.Hash) (err error) {
	repo, err := openLocal(r.local)
	if err != nil {
		return err
	}
	hashes, err := closure(ctx, repo.Storer, commit)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return noSuch(Commit, commit.String(), r.url, nil)
	}
	if err != nil {
		return localError(r.local, err)
	}
	if err := r.make(); err != nil {
		return err
	}
	w, err := r.open().PackfileWriter()
	if err != nil {
		return cacheError(err)
	}
	if _, err = packfile.NewEncoder(w, repo.Storer, false).Encode(hashes, 0); err != nil {
		_ = w.Close()
		return cacheError(err)
	}
	if err := w.Close(); err != nil {
		return cacheError(err)
	}
	return nil
}

// closure lists a commit and all that its tree needs, without its parents.
func closure(ctx context.Context, s storer.EncodedObjectStorer, commit plumbing.Hash) ([]plumbing.Hash, error) {
	c, err := object.GetCommit(s, commit)
	if err != nil {
		return nil, err
	}
	hashes := []plumbing.Hash{commit}
	seen := map[plumbing.Hash]bool{}
	var walk func(plumbing.Hash) error
	walk = func(h plumbing.Hash) error {
		if seen[h] {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		seen[h] = true
		hashes = append(hashes, h)
		tree, err := object.GetTree(s, h)
		if err != nil {
			return err
		}
		for _, e := range tree.Entries {
			switch {
			case e.Mode == filemode.Submodule:
			case e.Mode == filemode.Dir:
				if err := walk(e.Hash); err != nil {
					return err
				}
			case !seen[e.Hash]:
				seen[e.Hash] = true
				hashes = append(hashes, e.Hash)
			}
		}
		return nil
	}
	return hashes, walk(c.TreeHash)
}
