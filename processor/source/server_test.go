package source_test

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/server"

	"github.com/elasticcode/flow/processor/source"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// serve serves a repository over HTTP as /repo.git, without a git program. It
// knows only the basics of the protocol: no fetch of single commits, no depth.
func serve(t testing.TB, dir, credentials string) string {
	t.Helper()
	loader := server.NewFilesystemLoader(osfs.New(filepath.Join(dir, ".git")))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if credentials != "" && user+":"+password != credentials {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if !strings.HasPrefix(r.URL.Path, "/repo.git/") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		session, err := server.NewServer(loader).NewUploadPackSession(&transport.Endpoint{Path: "/"}, nil)
		if err == nil {
			err = answer(w, r, session)
		}
		if err != nil {
			t.Logf("git server: %v", err)
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(func() {
		s.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s.URL
}

func answer(w http.ResponseWriter, r *http.Request, session transport.UploadPackSession) error {
	if strings.HasSuffix(r.URL.Path, "/info/refs") {
		refs, err := session.AdvertisedReferencesContext(r.Context())
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		e := pktline.NewEncoder(w)
		if err := e.EncodeString("# service=git-upload-pack\n"); err != nil {
			return err
		}
		if err := e.Flush(); err != nil {
			return err
		}
		return refs.Encode(w)
	}
	request := packp.NewUploadPackRequest()
	if err := request.Decode(r.Body); err != nil {
		return err
	}
	response, err := session.UploadPack(r.Context(), request)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	return response.Encode(w)
}

// stall accepts connections and never answers.
func stall(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var conns []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				for _, c := range conns {
					_ = c.Close()
				}
				return
			}
			conns = append(conns, conn)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "http://" + l.Addr().String() + "/repo.git"
}

// backend serves a repository with git's own server, or skips the test.
func backend(t *testing.T, dir string) string {
	t.Helper()
	program, err := exec.LookPath("git")
	if err != nil {
		t.Skip("SKIPPED: no git program: nothing to serve with")
	}
	h := httptest.NewServer(&cgi.Handler{
		Path: program, Args: []string{"-c", "safe.directory=*", "http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(dir), "GIT_HTTP_EXPORT_ALL=1"},
	})
	t.Cleanup(h.Close)
	return h.URL + "/" + filepath.Base(dir)
}

// TestGitItselfServes fetches from git's own server, which knows depth and, when
// it is allowed, single commits.
func TestGitItselfServes(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	url := backend(t, s.dir)
	c := newCache(t)
	for _, ref := range []source.Ref{{}, {Kind: source.Branch, Name: "side/way"}, {Kind: source.Tag, Name: "v1"}, {Kind: source.Commit, Name: s.first[:6]}} {
		ref.URL = url
		commit, err := c.Resolve(t.Context(), ref, "")
		if err != nil {
			t.Fatalf("%v: %v", ref, err)
		}
		if _, _, err := c.Checkout(t.Context(), url, commit, ""); err != nil {
			t.Errorf("%v: %v", ref, err)
		}
	}
	fresh := newCache(t)
	for _, commit := range []string{s.second, s.first, s.side} {
		if _, _, err := fresh.Checkout(t.Context(), url, commit, ""); err != nil {
			t.Errorf("commit %s: %v", commit, err)
		}
	}
}
