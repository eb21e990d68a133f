package postgres

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
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
