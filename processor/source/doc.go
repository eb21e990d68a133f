// Package source has the code of processors: it brings repositories from where
// they are to a cache on this machine, and commits from the cache to folders.
//
// A repository is named by a URL (https, http, ssh, git, file, or the form
// git@host:path of ssh) or by the absolute path of a local one, with or without
// a worktree; what is not committed there is not seen. No git program is needed.
//
// The cache is shared by any number of goroutines and processes. For each
// repository it holds a bare repository with the objects of the commits that were
// asked for, without their history where the server can leave that out, and for
// each commit a checkout whose files are read-only. A commit that is in the
// cache needs no network. Executable files stay so; symbolic links are kept when
// they lead to a place inside the checkout, others are left out with a warning.
// Submodules are not fetched: their folders stay empty, with a warning. Neither
// are the contents of Git LFS: its files are the pointers that are committed.
//
// Prune removes what nobody uses: checkouts, and the objects of commits, each of
// which came as a pack of its own. A checkout needs no objects once it is there.
// Locks are taken in this order: of a checkout, of the users of its repository, of
// who fetches that. Who prunes waits for none.
//
// Credentials are never written to the cache, nor shown in errors and logs.
package source
