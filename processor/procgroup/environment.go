package procgroup

import (
	"os"
	"strings"
)

// inherited are the variables that a program gets from this process: what it
// needs to find programs, its home, its language and its trusted certificates.
var inherited = []string{
	"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
}

// Environment returns the environment of a program that runs people's code: a
// short list of harmless variables and the extra ones ("NAME=value"). The
// engine's own environment may hold credentials and is not passed on.
func Environment(extra ...string) []string {
	var env []string
	for _, name := range inherited {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "LC_") {
			env = append(env, kv)
		}
	}
	return append(env, extra...)
}
