package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/elasticcode/flow/processor/shelf"
)

// writeCheckout writes the files of a commit beside the target and moves them
// there when they are complete. It is called with the target's lock held.
func (c *Cache) writeCheckout(ctx context.Context, r repository, commit, target string) error {
	tree, err := r.tree(commit)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(target), commit+shelf.NewSuffix)
	if err != nil {
		return cacheError(err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	if err := c.writeTree(ctx, r, tree, temp); err != nil {
		return err
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return cacheError(err)
	}
	if err := os.Rename(temp, target); err != nil {
		return cacheError(err)
	}
	return nil
}

func (c *Cache) writeTree(ctx context.Context, r repository, tree *object.Tree, root string) error {
	walker := object.NewTreeWalker(tree, true, nil)
	defer walker.Close()
	for {
		name, entry, err := walker.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return cacheError(err)
		}
		if err := ctx.Err(); err != nil {
			return fault("the checkout was interrupted", err, false)
		}
		if !safeName(entry.Name) {
			return fault(fmt.Sprintf("repository %s has a file with the unsafe name %q", r.url, name), nil, true)
		}
		if err := c.writeEntry(ctx, r, tree, name, entry, filepath.Join(root, filepath.FromSlash(name))); err != nil {
			return err
		}
	}
}

// safeName tells whether a name stays in its folder. Git itself refuses others.
func safeName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.EqualFold(name, ".git") && !strings.ContainsAny(name, "/\x00")
}

func (c *Cache) writeEntry(ctx context.Context, r repository, tree *object.Tree, name string, entry object.TreeEntry, target string) error {
	switch entry.Mode {
	case filemode.Dir:
		return asCacheError(os.Mkdir(target, 0o755))
	case filemode.Submodule:
		c.logger.WarnContext(ctx, "submodule is not fetched, its folder stays empty", "gitrepo", r.url, "path", name)
		return asCacheError(os.Mkdir(target, 0o755))
	}
	file, err := tree.TreeEntryFile(&entry)
	if err != nil {
		return cacheError(err)
	}
	if entry.Mode == filemode.Symlink {
		return c.writeLink(ctx, r, name, file, target)
	}
	mode := os.FileMode(0o444)
	if entry.Mode == filemode.Executable {
		mode = 0o555
	}
	return asCacheError(writeFile(file, target, mode))
}

func asCacheError(err error) error {
	if err == nil {
		return nil
	}
	return cacheError(err)
}

func writeFile(file *object.File, target string, mode os.FileMode) error {
	in, err := file.Reader()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(mode), out.Close())
}

// writeLink makes a symbolic link that stays inside the checkout.
func (c *Cache) writeLink(ctx context.Context, r repository, name string, file *object.File, target string) error {
	to, err := file.Contents()
	if err != nil {
		return cacheError(err)
	}
	if path.IsAbs(to) || !filepath.IsLocal(filepath.FromSlash(path.Join(path.Dir(name), to))) {
		c.logger.WarnContext(ctx, "symbolic link leads out of the repository and is left out", "gitrepo", r.url, "path", name)
		return nil
	}
	return asCacheError(os.Symlink(filepath.FromSlash(to), target))
}
