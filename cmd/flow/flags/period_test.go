package flags

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func TestPeriod(t *testing.T) {
	t.Parallel()
	here := time.FixedZone("", 2*3600)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, here)
	for line, want := range map[string][2]time.Time{
		"":                                      {},
		"--since 2h":                            {now.Add(-2 * time.Hour)},
		"--since 2h --until 30m":                {now.Add(-2 * time.Hour), now.Add(-30 * time.Minute)},
		"--until 0s":                            {{}, now},
		"--since 2026-02-28T10:00:00Z":          {time.Date(2026, 2, 28, 10, 0, 0, 0, time.UTC)},
		"--until 2026-02-28T10:00:00.5-01:00":   {{}, time.Date(2026, 2, 28, 11, 0, 0, 500_000_000, time.UTC)},
		"--since 2026-02-27 --until 2026-02-28": {time.Date(2026, 2, 27, 0, 0, 0, 0, here), time.Date(2026, 2, 28, 0, 0, 0, 0, here)},
	} {
		since, until, err := between(line, now)
		if err != nil || !since.Equal(want[0]) || !until.Equal(want[1]) {
			t.Errorf("%q: %s to %s, %v; want %s to %s", line, since, until, err, want[0], want[1])
		}
	}
	for line, said := range map[string]string{
		"--since yesterday":                     `--since "yesterday" is neither`,
		"--since -2h":                           `--since "-2h" is neither`,
		"--since=":                              `--since "" is neither`,
		"--until 2026-02-30":                    `--until "2026-02-30" is neither`,
		"--since 1h --until 2h":                 "--until 2h is not after --since 1h",
		"--since 2026-02-28 --until 2026-02-28": "no time is between them",
	} {
		if _, _, err := between(line, now); err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("%q: %v; want %q", line, err, said)
		}
	}
}

// between reads the options of a command line.
func between(line string, now time.Time) (since, until time.Time, err error) {
	cmd, p := &cobra.Command{}, Period{}
	p.Add(cmd, "were made")
	if err := cmd.ParseFlags(strings.Fields(line)); err != nil {
		return since, until, err
	}
	return p.Between(now)
}
