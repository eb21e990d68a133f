package postgres

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/elasticcode/flow/store"
)

// TestUnavailable: what passes by itself, or when somebody makes room, is waited
// for; what is wrong with a question is not.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"08006": true, "57P01": true, "53100": true, "53200": true, "53300": true, "58030": true, "25006": true,
		"23505": false, "22P05": false, "42P01": false, "40P01": false, "57014": false,
	} {
		err := fmt.Errorf("write: %w", &pgconn.PgError{Code: code})
		if got := (driver{}).Unavailable(err); got != want {
			t.Errorf("%s counts as unavailable: %t, want %t", code, got, want)
		}
	}
	if (driver{}).Unavailable(errors.New("something else")) {
		t.Error("any error counts as unavailable")
	}
}

// TestVersions: a PostgreSQL that is too old is named, and is not waited for.
func TestVersions(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name   string
		number int
		fits   bool
	}{{"9.6.24", 90624, false}, {"12.22 (Debian)", 120022, false}, {"13.0", 130000, true}, {"15.14", 150014, true}, {"18beta1", 180000, true}} {
		err := versionFits(v.name, v.number)
		if (err == nil) != v.fits || errors.Is(err, store.ErrUnavailable) || err != nil && !strings.Contains(err.Error(), v.name) {
			t.Errorf("%s: %v", v.name, err)
		}
	}
}
