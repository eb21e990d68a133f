package print

import (
	"strconv"
	"time"

	"github.com/elasticcode/flow/model"
)

// Style is how a word looks on a terminal that shows colours.
type Style string

// The styles, as parameters of the terminal's SGR sequence.
const (
	Plain Style = ""
	Bold  Style = "1"
	Faint Style = "2"
	Good  Style = "32"
	Bad   Style = "31"
	Busy  Style = "33"
)

// Paint gives text a style, where the printer shows colours.
func (p Printer) Paint(s Style, text string) string {
	if !p.Color || s == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// StyleOfState is how a call's state looks.
func StyleOfState(s model.State) Style {
	switch s {
	case model.Succeeded:
		return Good
	case model.Failed, model.Dead, model.Expired, model.Cancelled:
		return Bad
	}
	return Busy
}

// StyleOfStatus is how an observed status looks.
func StyleOfStatus(s model.Status) Style {
	switch s {
	case model.StatusRunning:
		return Good
	case model.StatusFailed, model.StatusDown, model.StatusBackoff:
		return Bad
	case model.StatusStarting, model.StatusStopping:
		return Busy
	}
	return Plain
}

// Time shows a time in the zone of the reader; a zero time is empty.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05.000")
}

// TimeOf is Time of a time that may be missing.
func TimeOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return Time(*t)
}

// Duration shows a duration with three digits; 0 is empty.
func Duration(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < time.Millisecond:
		d = d.Round(time.Microsecond)
	case d < time.Second:
		d = d.Round(100 * time.Microsecond)
	case d < time.Minute:
		d = d.Round(10 * time.Millisecond)
	default:
		d = d.Round(time.Second)
	}
	return d.String()
}

// Milliseconds shows a number of milliseconds; 0 is empty.
func Milliseconds(ms int64) string { return Duration(time.Duration(ms) * time.Millisecond) }

// Bytes shows a size; 0 is empty.
func Bytes(n int64) string {
	if n == 0 {
		return ""
	}
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return strconv.FormatFloat(f, 'f', min(i, 1), 64) + " " + units[i]
}

// Count shows a limit or count; 0 is empty.
func Count(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
