package source_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"

	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/source"
)

func TestResolveLocalAndRemote(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	server := serve(t, s.dir, "")
	for _, url := range []string{s.dir, "file://" + s.dir, server + "/repo.git"} {
		c := newCache(t)
		for _, test := range []struct {
			kind source.Kind
			name string
			want string
		}{
			{"", "", s.second}, {source.Branch, "", s.second}, {source.Branch, "main", s.second},
			{source.Branch, "side/way", s.side}, {"", "side/way", s.side}, {"", "v1", s.first},
			{source.Tag, "v1", s.first}, {source.Tag, "light", s.first},
			{source.Commit, s.first, s.first}, {source.Commit, s.first[:7], s.first}, {source.Commit, s.first[:8], s.first},
			{"", s.first[:10], s.first}, {"", s.side, s.side}, {source.Commit, strings.ToUpper(s.side), s.side},
		} {
			got, err := c.Resolve(t.Context(), source.Ref{URL: url, Kind: test.kind, Name: test.name}, "")
			if err != nil || got != test.want {
				t.Errorf("%s: %s %q: got %q, %v, want %q", url, test.kind, test.name, got, err, test.want)
			}
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	empty := newRepo(t)
	server := serve(t, s.dir, "joe:secret")
	open := serve(t, s.dir, "")
	c := newCache(t)
	for _, test := range []struct {
		url, name string
		kind      source.Kind
		cred      source.Credentials
		want      []string
	}{
		{url: t.TempDir() + "/none", want: []string{"no git repository at", "check the path"}},
		{url: s.dir + "/scripts", want: []string{"folder inside", "module path"}},
		{url: empty.dir, want: []string{"no commits yet"}},
		{url: "some/path", want: []string{"neither a URL nor an absolute path"}},
		{url: "ftp://host/x", want: []string{"not by ftp"}},
		{url: "", want: []string{"no repository is given"}},
		{url: s.dir, kind: source.Branch, name: "mian", want: []string{`no branch "mian"`, "main", "side/way"}},
		{url: s.dir, kind: source.Tag, name: "v2", want: []string{`no tag "v2"`, "light", "v1"}},
		{url: s.dir, name: "nothing", want: []string{"branch, tag or commit", "main"}},
		{url: s.dir, kind: source.Commit, name: "abcdef1", want: []string{"no commit", "pushed"}},
		{url: s.dir, kind: source.Commit, name: "xyz", want: []string{"hexadecimal"}},
		{url: s.dir, kind: source.Commit, name: strings.Repeat("a", 40), want: []string{"no commit"}},
		{url: open + "/repo.git", kind: source.Branch, name: "mian", want: []string{`no branch "mian"`, "main"}},
		{url: open + "/repo.git", kind: source.Commit, name: strings.Repeat("a", 40), want: []string{"no commit"}},
		{url: open + "/repo.git", kind: source.Commit, name: "abcdef1", want: []string{"no commit"}},
		{url: open + "/none.git", want: []string{"does not exist"}},
		{url: server + "/repo.git", want: []string{"does not exist, or needs credentials"}},
		{url: server + "/repo.git", cred: "joe:wrong", want: []string{"refuses these credentials"}},
		{url: strings.Replace(server, "://", "://joe:wrong@", 1) + "/repo.git", want: []string{"refuses these credentials"}},
		{url: "http://127.0.0.1:1/repo.git", want: []string{"cannot be reached"}},
	} {
		_, err := c.Resolve(t.Context(), source.Ref{URL: test.url, Kind: test.kind, Name: test.name}, test.cred)
		var e *processor.Error
		if !errors.As(err, &e) || e.Code != processor.CodeSource {
			t.Errorf("%s %q: got %v, want an error of code source", test.url, test.name, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: %q does not say %q", test.url, test.name, err, want)
			}
		}
		if strings.Contains(err.Error(), "wrong") || strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}

func TestCredentialsOpenAPrivateRepository(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	server := serve(t, s.dir, "joe:secret")
	c := newCache(t)
	url := server + "/repo.git"
	commit, err := c.Resolve(t.Context(), source.Ref{URL: url}, "joe:secret")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Checkout(t.Context(), url, commit, ""); err != nil {
		t.Errorf("a commit in the cache needs no credentials: %v", err)
	}
	if _, _, err := newCache(t).Checkout(t.Context(), strings.Replace(url, "://", "://joe:secret@", 1), commit, ""); err != nil {
		t.Errorf("credentials in the URL: %v", err)
	}
}

func TestUnresponsiveServerTimesOut(t *testing.T) {
	t.Parallel()
	url := stall(t)
	c := newCache(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Resolve(ctx, source.Ref{URL: url}, "")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "in time") {
		t.Fatalf("got %v", err)
	}
}

func TestCheckout(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.write("a/deep/file.txt", "hello", 0o644)
	r.write("bin/tool", "#!/bin/sh\n", 0o755)
	for link, to := range map[string]string{"a/link": "deep/file.txt", "bad": "/etc/passwd", "worse": "../outside"} {
		if err := os.Symlink(to, filepath.Join(r.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	commit := r.commit("first")
	r.write("a/deep/file.txt", "changed and not committed", 0o644)
	r.write("uncommitted", "x", 0o644)
	c := newCache(t)
	dir, release, err := c.Checkout(t.Context(), r.dir, commit, "")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if b, err := os.ReadFile(filepath.Join(dir, "a/link")); string(b) != "hello" {
		t.Errorf("through the link: %q, %v", b, err)
	}
	for name, mode := range map[string]fs.FileMode{"a/deep/file.txt": 0o444, "bin/tool": 0o555} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want mode %o", name, info, err, mode)
		}
	}
	for _, name := range []string{"bad", "worse", "uncommitted", ".git"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is in the checkout: %v", name, err)
		}
	}
	again, _, err := c.Checkout(t.Context(), r.dir, commit, "")
	if err != nil || again != dir {
		t.Errorf("again: %q, %v", again, err)
	}
}

func TestCacheWorksOffline(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	c := newCache(t)
	commit, err := c.Resolve(t.Context(), source.Ref{URL: s.dir}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.dir, s.dir+".away"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(s.dir + ".away") })
	if _, _, err := c.Checkout(t.Context(), s.dir, commit, ""); err != nil {
		t.Errorf("checkout: %v", err)
	}
	if got, err := c.Resolve(t.Context(), source.Ref{URL: s.dir, Kind: source.Commit, Name: commit}, ""); got != commit {
		t.Errorf("resolve: %q, %v", got, err)
	}
	if _, _, err := c.Checkout(t.Context(), s.dir, s.first, ""); err == nil {
		t.Error("a commit that is not in the cache was checked out from nowhere")
	}
}

func TestReadsFromTheCommit(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	c := newCache(t)
	for name, want := range map[string]bool{
		"pyfi/processors/sample.py": true, "/pyfi/processors/": true, "pyfi/x.py": false, "pyfi/processors/sample.py/x": false, "": true, "../x": false,
	} {
		if got, err := c.FileExists(t.Context(), s.dir, s.first, name); err != nil || got != want {
			t.Errorf("FileExists(%q) = %v, %v, want %v", name, got, err, want)
		}
	}
	if b, err := c.ReadFile(t.Context(), s.dir, s.first, "pyfi/processors/sample.py"); string(b) != "one = 1\n" {
		t.Errorf("ReadFile: %q, %v", b, err)
	}
	if _, err := c.ReadFile(t.Context(), s.dir, s.first, "none"); !errors.Is(err, source.ErrNoFile) {
		t.Errorf("ReadFile of nothing: %v", err)
	}
	if got, err := c.List(t.Context(), s.dir, s.first, ""); !slices.Equal(got, []string{"pyfi/processors/sample.py", "scripts/run.sh"}) {
		t.Errorf("List: %q, %v", got, err)
	}
	if got, err := c.List(t.Context(), s.dir, s.first, "scripts"); !slices.Equal(got, []string{"scripts/run.sh"}) {
		t.Errorf("List: %q, %v", got, err)
	}
}

func TestBareRepository(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	bare := filepath.Join(t.TempDir(), "bare.git")
	if err := os.CopyFS(bare, os.DirFS(filepath.Join(s.dir, ".git"))); err != nil {
		t.Fatal(err)
	}
	if _, err := git.PlainOpen(bare); err != nil {
		t.Fatal(err)
	}
	c := newCache(t)
	commit, err := c.Resolve(t.Context(), source.Ref{URL: bare, Kind: source.Branch, Name: "main"}, "")
	if err != nil || commit != s.second {
		t.Fatalf("got %q, %v", commit, err)
	}
}

func TestManyGoroutinesAndProcesses(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	url := serve(t, s.dir, "") + "/repo.git"
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 4 {
		commit := []string{s.first, s.second}[i%2]
		wg.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0], url, commit)
			cmd.Env = append(os.Environ(), helperVariable+"="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("process: %v: %s", err, out)
			}
		})
	}
	c, err := source.New(source.Config{Dir: dir, Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		wg.Go(func() {
			checkout, release, err := c.Checkout(t.Context(), url, s.first, "")
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			if b, err := os.ReadFile(filepath.Join(checkout, "pyfi/processors/sample.py")); string(b) != "one = 1\n" {
				t.Errorf("got %q, %v", b, err)
			}
		})
	}
	wg.Wait()
	left, err := filepath.Glob(filepath.Join(dir, "checkouts", "*", "*.new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("unfinished checkouts are left: %q, %v", left, err)
	}
}

func TestSplitCredentials(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ raw, clean, cred string }{
		{"https://user:to%3Aken@github.com/radiantone/pyfi-processors#egg=ext-processor", "https://github.com/radiantone/pyfi-processors", "user:to:ken"},
		{"git+https://tok@host/r.git", "https://host/r.git", "tok"},
		{"HTTPS://host/r.git#main", "https://host/r.git", ""},
		{"ssh://git@host:22/r.git", "ssh://git@host:22/r.git", ""},
		{"ssh://git:pw@host/r.git", "ssh://git@host/r.git", "git:pw"},
		{"git@github.com:a/b.git#egg=x", "git@github.com:a/b.git", ""},
		{"/some/path#1", "/some/path#1", ""},
		{"file:///some/path", "file:///some/path", ""},
	} {
		clean, cred, err := source.SplitCredentials(test.raw)
		if err != nil || clean != test.clean || string(cred) != test.cred {
			t.Errorf("%s: got %q %q %v", test.raw, clean, string(cred), err)
		}
	}
	for _, raw := range []string{"https://user:secret@", "ftp://user:secret@host/", "https://user:se cret@ho st/x", "x:secret@y"} {
		if _, _, err := source.SplitCredentials(raw); err == nil || strings.Contains(err.Error(), "cret") && strings.Contains(raw, "://") {
			t.Errorf("%s: %v", raw, err)
		}
	}
	if got := source.Credentials("a:b").String() + source.Credentials("a:b").GoString(); strings.Contains(got, "a:b") {
		t.Error("credentials print")
	}
}
