// Command mkrepo makes a git repository, with one commit, of a folder: for
// checkouts of Flow that came as an archive, without a history to pull the
// example processors from. It needs no git program.
//
//	go run ./examples/mkrepo FROM TO
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: mkrepo FROM TO")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "mkrepo:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	repo, err := git.PlainInit(to, false)
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	tree, err := repo.Worktree()
	if err != nil {
		return err
	}
	if err := tree.AddGlob("."); err != nil {
		return fmt.Errorf("add: %w", err)
	}
	_, err = tree.Commit("The example processors", &git.CommitOptions{
		Author: &object.Signature{Name: "Flow", Email: "flow@example.org", When: time.Now()},
	})
	return err
}
