package bolt_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/result/bolt"
	"github.com/elasticcode/flow/result/resulttest"
)

func TestMain(m *testing.M) {
	if putAlone() {
		return
	}
	goleak.VerifyTestMain(m)
}

const limit = 20 * time.Second

func TestStore(t *testing.T) {
	t.Parallel()
	bench := func(t *testing.T) resulttest.Bench {
		s := open(t, bolt.Config{})
		return resulttest.Bench{Store: s, Other: s, Flush: func() {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}}
	}
	resulttest.RunLocal(t, bench)
	resulttest.RunMemory(t, bench)
}

// open opens a store, in a directory of the test unless cfg says where.
func open(t testing.TB, cfg bolt.Config) *bolt.Store {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "results.db")
	}
	cfg.Logger = testenv.Logger(t)
	s, err := bolt.Open(testenv.Context(t, limit), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func done(call string, n int) result.Result {
	return result.Result{Call: call, State: model.Succeeded, Value: fmt.Append(nil, n), Attempt: 1}
}

func put(t testing.TB, s *bolt.Store, ttl time.Duration, rs ...result.Result) {
	t.Helper()
	if _, err := s.Put(testenv.Context(t, limit), ttl, rs...); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, s *bolt.Store, call string) string {
	t.Helper()
	got, err := s.Get(testenv.Context(t, limit), call)
	if err != nil {
		t.Fatal(err)
	}
	return string(got[call].Value)
}

// TestCloseAndOpen: what is closed in order is there again, and remembers.
func TestCloseAndOpen(t *testing.T) {
	t.Parallel()
	cfg := bolt.Config{Path: filepath.Join(t.TempDir(), "deeper", "results.db")}
	s := open(t, cfg)
	ctx := testenv.Context(t, limit)
	if err := s.BeginAnew(ctx); err != nil {
		t.Fatal(err)
	}
	first, err := s.Claim(ctx, "me", time.Hour, "runs", "ended")
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, time.Hour, done("ended", 7))
	for range 2 { // closing twice is closing
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Health(ctx); !errors.Is(err, result.ErrUnavailable) {
		t.Errorf("a closed store is %v, which is not ErrUnavailable", err)
	}
	s = open(t, cfg)
	if got := get(t, s, "ended"); got != "7" {
		t.Errorf("the result is %q", got)
	}
	if since, _, err := s.Since(ctx); err != nil || since.Unix() != 0 {
		t.Errorf("it remembers since %s, %v", since, err)
	}
	again, err := s.Claim(ctx, "another", time.Hour, "runs")
	if err != nil || !again[0].Granted || again[0].Token <= first[0].Token {
		t.Errorf("after %+v a claim in the next process gave %+v, %v", first[0], again, err)
	}
}

// TestInUse: a second process is told who is in the way, and soon.
func TestInUse(t *testing.T) {
	t.Parallel()
	cfg := bolt.Config{Path: filepath.Join(t.TempDir(), "results.db")}
	s := open(t, cfg)
	put(t, s, time.Hour, done("a", 1))
	if _, err := bolt.Open(testenv.Context(t, limit), cfg); err == nil {
		t.Fatal("two have it open")
	}
	if got := get(t, s, "a"); got != "1" {
		t.Errorf("after that the result is %q", got)
	}
}

// TestThrownAway: what cannot be trusted is not used, and that shows.
func TestThrownAway(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, path string){
		"the machine went down": func(t *testing.T, path string) {
			write(t, path+".open", []byte("another start of the machine\n"))
		},
		"the file is damaged": func(t *testing.T, path string) {
			write(t, path, make([]byte, 64<<10))
		},
		"the file is cut off": func(t *testing.T, path string) {
			write(t, path, []byte("short"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := bolt.Config{Path: filepath.Join(t.TempDir(), "results.db")}
			ctx := testenv.Context(t, limit)
			s := open(t, cfg)
			if err := s.BeginAnew(ctx); err != nil {
				t.Fatal(err)
			}
			put(t, s, time.Hour, done("a", 1))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			spoil(t, cfg.Path)
			begun := time.Now()
			s = open(t, cfg)
			if got := get(t, s, "a"); got != "" {
				t.Errorf("it still knows %q", got)
			}
			put(t, s, time.Hour, done("b", 2))
			if since, _, err := s.Since(ctx); err != nil || since.Before(begun.Truncate(time.Microsecond)) {
				t.Errorf("it says it remembers since %s, %v", since, err)
			}
		})
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPrune: what has ended leaves the file while others are put.
func TestPrune(t *testing.T) {
	t.Parallel()
	s := open(t, bolt.Config{})
	const short = 300
	for n := range short {
		put(t, s, time.Millisecond, done(fmt.Sprintf("short-%d", n), n))
	}
	put(t, s, time.Hour, done("short-0", 0)) // again, and for longer
	end := time.Now().Add(limit)
	for long := 1; ; long++ {
		put(t, s, time.Hour, done(fmt.Sprintf("long-%d", long), long))
		there, believed := s.Kept()
		if believed != there {
			t.Fatalf("%d results are there and %d are believed to be", there, believed)
		}
		if there == long+1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d results are there after %d that do not end", there, long+1)
		}
	}
	if got := get(t, s, "short-0"); got != "0" {
		t.Errorf("the one that was put again is %q", got)
	}
}

// TestMaxCalls: of too many the oldest go, and the store says since when it
// forgets nothing.
func TestMaxCalls(t *testing.T) {
	t.Parallel()
	s := open(t, bolt.Config{MaxCalls: 100})
	ctx := testenv.Context(t, limit)
	if err := s.BeginAnew(ctx); err != nil {
		t.Fatal(err)
	}
	put(t, s, time.Hour, done("first", 1))
	between := time.Now()
	for n := range 300 {
		put(t, s, time.Hour, done(fmt.Sprint(n), n))
	}
	there, _ := s.Kept()
	if there < 90 || there > 110 {
		t.Errorf("%d results are there", there)
	}
	if got := get(t, s, "first"); got != "" {
		t.Errorf("the first is still %q", got)
	}
	if got := get(t, s, "299"); got != "299" {
		t.Errorf("the last is %q", got)
	}
	if since, _, err := s.Since(ctx); err != nil || !since.After(between) {
		t.Errorf("it says it remembers since %s, %v", since, err)
	}
}

// TestClaimsAreSwept: claims that nobody ended do not stay for ever.
func TestClaimsAreSwept(t *testing.T) {
	t.Parallel()
	s := open(t, bolt.Config{})
	ctx := testenv.Context(t, time.Minute)
	for n := range 30 {
		calls := make([]string, 1000)
		for i := range calls {
			calls[i] = fmt.Sprintf("%d-%d", n, i)
		}
		if _, err := s.Claim(ctx, "me", time.Millisecond, calls...); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Claims(); n > 12_000 {
		t.Errorf("%d claims are in memory", n)
	}
}

// TestHeld: what ended by itself does not count.
func TestHeld(t *testing.T) {
	t.Parallel()
	s := open(t, bolt.Config{})
	ctx := testenv.Context(t, limit)
	for _, lease := range []time.Duration{time.Millisecond, time.Hour} {
		if _, err := s.Claim(ctx, "me", lease, "a"+lease.String(), "b"+lease.String()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Enter(ctx, "room", 9, lease, "a"+lease.String()); err != nil {
			t.Fatal(err)
		}
	}
	put(t, s, time.Hour, done("a1h0m0s", 1))
	for end := time.Now().Add(limit); ; {
		claims, places := s.Held()
		if claims == 1 && places == 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d claims and %d places are held, want one of each", claims, places)
		}
	}
}

// TestMaxValues: of too many large values those that end first go.
func TestMaxValues(t *testing.T) {
	t.Parallel()
	cfg := bolt.Config{Path: filepath.Join(t.TempDir(), "results.db"), MaxValues: 1 << 20}
	s := open(t, cfg)
	ctx := testenv.Context(t, limit)
	var hashes []string
	for n := range 20 {
		v := make([]byte, 128<<10)
		copy(v, fmt.Sprintf("%d ", n))
		b := model.NewBlob(v)
		hashes = append(hashes, b.Hash)
		if err := s.Keep(ctx, time.Hour+time.Duration(n)*time.Second, b); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(cfg.Path+".values", hashes[0]+".partial"), []byte("of a crash"))
	got, err := s.Fetch(ctx, hashes...)
	if err != nil || got[hashes[0]] != nil || len(got[hashes[19]]) != 128<<10 {
		t.Errorf("%d values are there, %v", len(got), err)
	}
	entries, err := os.ReadDir(cfg.Path + ".values")
	if err != nil || len(entries) > 10 {
		t.Errorf("%d files are there, %v", len(entries), err)
	}
}
