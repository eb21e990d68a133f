package event_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/elasticcode/flow/event"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, channel string
		want             bool
	}{
		{"pyfi.queue1.proc1.task", "pyfi.queue1.proc1.task", true},
		{"pyfi.queue1.proc1.task", "pyfi.queue1.proc1.tasks", false},
		{"pyfi.queue1.proc1.task", "pyfi-queue1.proc1.task", false},
		{"pyfi.*.task", "pyfi.queue1.proc1.task", true},
		{"*", "", true},
		{"*", "anything.at all", true},
		{"", "x", false},
		{"proc?.task", "proc1.task", true},
		{"proc?.task", "proc.task", false},
		{"proc?.task", "procä.task", true},
		{"proc??", "procä", false},
		{"a[b]c", "a[b]c", true},
		{"a[b]c", "abc", false},
		{`a\*`, `a\b`, true},
		{"*a*b*c", "xxaxxbxxc", true},
		{"*a*b*c", "xxaxxbxx", false},
		{"**x", "x", true},
	} {
		if got := event.Match(c.pattern, c.channel); got != c.want {
			t.Errorf("Match(%q, %q) = %v, want %v", c.pattern, c.channel, got, c.want)
		}
	}
}

// TestMatchIsTheRegexp compares it with the regular expression that it stands for.
func TestMatchIsTheRegexp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab.*?]{0,8}`).Draw(t, "pattern")
		channel := rapid.StringMatching(`[abä.]{0,8}`).Draw(t, "channel")
		re := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile(`^(?s:` + re + `)$`).MatchString(channel)
		if got := event.Match(pattern, channel); got != want {
			t.Fatalf("Match(%q, %q) = %v, want %v", pattern, channel, got, want)
		}
	})
}
