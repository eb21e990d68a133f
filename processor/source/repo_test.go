package source_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/processor/source"
)

// testRepo is a repository with a worktree.
type testRepo struct {
	t    testing.TB
	dir  string
	repo *git.Repository
}

func newRepo(t testing.TB) *testRepo {
	t.Helper()
	dir := t.TempDir()
	repo, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: "refs/heads/main"}})
	if err != nil {
		t.Fatal(err)
	}
	return &testRepo{t: t, dir: dir, repo: repo}
}

var signature = &object.Signature{Name: "Test", Email: "test@example.org", When: time.Unix(1700000000, 0)}

func (r *testRepo) write(name, content string, mode os.FileMode) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		r.t.Fatal(err)
	}
}

// commit commits everything in the worktree and returns the hash.
func (r *testRepo) commit(message string) string {
	r.t.Helper()
	w := r.worktree()
	if err := w.AddWithOptions(&git.AddOptions{All: true}); err != nil {
		r.t.Fatal(err)
	}
	h, err := w.Commit(message, &git.CommitOptions{Author: signature, AllowEmptyCommits: true})
	if err != nil {
		r.t.Fatal(err)
	}
	return h.String()
}

func (r *testRepo) worktree() *git.Worktree {
	r.t.Helper()
	w, err := r.repo.Worktree()
	if err != nil {
		r.t.Fatal(err)
	}
	return w
}

func (r *testRepo) branch(name string) {
	r.t.Helper()
	if err := r.worktree().Checkout(&git.CheckoutOptions{Branch: plumbing.NewBranchReferenceName(name), Create: true}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *testRepo) tag(name, commit string, annotated bool) {
	r.t.Helper()
	var o *git.CreateTagOptions
	if annotated {
		o = &git.CreateTagOptions{Tagger: signature, Message: name}
	}
	if _, err := r.repo.CreateTag(name, plumbing.NewHash(commit), o); err != nil {
		r.t.Fatal(err)
	}
}

func newCache(t testing.TB) *source.Cache {
	t.Helper()
	c, err := source.New(source.Config{Dir: t.TempDir(), Logger: testenv.Logger(t), Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sample is a repository with branches, tags and two commits on main.
type sample struct {
	*testRepo
	first, second, side string
}

func newSample(t testing.TB) sample {
	t.Helper()
	r := newRepo(t)
	r.write("pyfi/processors/sample.py", "one = 1\n", 0o644)
	r.write("scripts/run.sh", "#!/bin/sh\necho hi\n", 0o755)
	s := sample{testRepo: r, first: r.commit("first")}
	r.tag("light", s.first, false)
	r.tag("v1", s.first, true)
	r.write("pyfi/processors/sample.py", "one = 2\n", 0o644)
	s.second = r.commit("second")
	r.branch("side/way")
	r.write("other.txt", "side", 0o644)
	s.side = r.commit("side")
	if err := r.worktree().Checkout(&git.CheckoutOptions{Branch: "refs/heads/main"}); err != nil {
		t.Fatal(err)
	}
	return s
}
