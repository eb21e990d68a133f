package factory

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// token reads the token from the file that was named; - is stdin. There is no
// option with the token itself: other users of the machine could read it in the
// list of processes.
func (f *Factory) token() (string, error) {
	name := f.Options.TokenFile
	if name == "" {
		return "", nil
	}
	from := f.In
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("read the token: %w", err)
		}
		defer file.Close()
		from = file
	}
	b, err := io.ReadAll(io.LimitReader(from, 4096))
	if err != nil {
		return "", fmt.Errorf("read the token from %s: %w", name, err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", fmt.Errorf("read the token from %s: nothing is in it", name)
	}
	return token, nil
}
