package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// read hands the files of a commit to f. The commit is brought into the cache,
// without credentials, if it is not there.
func (c *Cache) read(ctx context.Context, rawURL, commit string, f func(*object.Tree) error) error {
	r, err := c.repository(rawURL, "")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	done, err := r.reading(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := c.ensure(ctx, r, commit); err != nil {
		return err
	}
	tree, err := r.tree(commit)
	if err != nil {
		return err
	}
	return f(tree)
}

func (r repository) tree(commit string) (*object.Tree, error) {
	found, err := object.GetCommit(r.open(), plumbing.NewHash(commit))
	if err != nil {
		return nil, cacheError(fmt.Errorf("read commit %s: %w", commit, err))
	}
	tree, err := found.Tree()
	if err != nil {
		return nil, cacheError(fmt.Errorf("read commit %s: %w", commit, err))
	}
	return tree, nil
}

// FileExists tells whether a commit has a file or folder at the path, which has
// slashes and begins at the root of the repository. The commit should have been
// resolved before.
func (c *Cache) FileExists(ctx context.Context, rawURL, commit, name string) (exists bool, err error) {
	err = c.read(ctx, rawURL, commit, func(tree *object.Tree) error {
		if name = inTree(name); name == "" {
			exists = true
			return nil
		}
		_, err := tree.FindEntry(name)
		exists = err == nil
		return ignoreMissing(err)
	})
	return exists, err
}

// ErrNoFile says that a commit has no such file.
var ErrNoFile = errors.New("no such file in the commit")

// maxRead is the largest file that ReadFile returns.
const maxRead = 16 << 20

// ReadFile returns the content of a file of a commit.
func (c *Cache) ReadFile(ctx context.Context, rawURL, commit, name string) (content []byte, err error) {
	err = c.read(ctx, rawURL, commit, func(tree *object.Tree) error {
		content, err = readFile(tree, name)
		return err
	})
	return content, err
}

func readFile(tree *object.Tree, name string) ([]byte, error) {
	file, err := tree.File(inTree(name))
	if errors.Is(err, object.ErrFileNotFound) {
		return nil, fmt.Errorf("read %s: %w", name, ErrNoFile)
	}
	if err != nil {
		return nil, cacheError(err)
	}
	if file.Size > maxRead {
		return nil, fmt.Errorf("read %s: it has %d bytes, at most %d are read", name, file.Size, maxRead)
	}
	in, err := file.Reader()
	if err != nil {
		return nil, cacheError(err)
	}
	defer func() { _ = in.Close() }()
	return io.ReadAll(in)
}

// List returns the paths of all files of a commit below a folder (empty: the
// root), in order. They begin at the root of the repository.
func (c *Cache) List(ctx context.Context, rawURL, commit, folder string) (paths []string, err error) {
	err = c.read(ctx, rawURL, commit, func(tree *object.Tree) error {
		paths, err = list(tree, folder)
		return err
	})
	return paths, err
}

func list(tree *object.Tree, folder string) ([]string, error) {
	folder = inTree(folder)
	if folder != "" {
		var err error
		tree, err = tree.Tree(folder)
		if errors.Is(err, object.ErrDirectoryNotFound) {
			return nil, fmt.Errorf("list %s: %w", folder, ErrNoFile)
		}
		if err != nil {
			return nil, cacheError(err)
		}
	}
	walker := object.NewTreeWalker(tree, true, nil)
	defer walker.Close()
	var out []string
	for {
		name, entry, err := walker.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, cacheError(err)
		}
		if entry.Mode != filemode.Dir && entry.Mode != filemode.Submodule {
			out = append(out, path.Join(folder, name))
		}
	}
}

func inTree(name string) string {
	name = strings.Trim(path.Clean("/"+name), "/")
	return name
}

func ignoreMissing(err error) error {
	if errors.Is(err, object.ErrEntryNotFound) || errors.Is(err, object.ErrDirectoryNotFound) || errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil
	}
	return err
}
