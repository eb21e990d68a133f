package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
)

// The kinds of errors, for errors.Is.
var (
	ErrNotFound  = errors.New("not found")
	ErrExists    = errors.New("exists already")
	ErrInUse     = errors.New("in use")
	ErrAmbiguous = errors.New("ambiguous")
	ErrConflict  = errors.New("changed meanwhile")
	// ErrUnfit says that records or arrivals can never be stored as they are.
	ErrUnfit = errors.New("not fit to be stored")
	// ErrCursor says that a cursor does not belong to the listing.
	ErrCursor = errors.New("the cursor does not belong to this listing: begin again without one")
	// ErrUnavailable says that the database cannot be reached now.
	ErrUnavailable = errors.New("the database cannot be reached")
	// ErrRefused says that the database answers, and does not let this user in.
	ErrRefused = errors.New("the database refuses this user")
	// ErrUnmigrated says that the schema is missing or older than this program.
	ErrUnmigrated = errors.New("the database is not up to date: run 'flow db migrate'")
	// ErrNewer says that the schema is newer than this program.
	ErrNewer = errors.New("the database is newer than this program")
)

// NotFound says that there is no such object.
type NotFound struct {
	Kind        string // "queue", "processor", …
	Name        string
	Suggestions []string // at most three close names
}

// Error says what is missing and which names are close.
func (e *NotFound) Error() string {
	msg := fmt.Sprintf("there is no %s %q", e.Kind, e.Name)
	if len(e.Suggestions) > 0 {
		msg += ": did you mean " + quoted(e.Suggestions, " or ") + "?"
	}
	return msg
}

// Is makes the error match ErrNotFound.
func (e *NotFound) Is(target error) bool { return target == ErrNotFound }

// Exists says that the object is there already.
type Exists struct {
	Kind string
	Name string
	// Why is set when it is not the name that is taken.
	Why string
}

// Error says what exists already.
func (e *Exists) Error() string {
	if e.Why != "" {
		return fmt.Sprintf("%s %q exists already: %s", e.Kind, e.Name, e.Why)
	}
	return fmt.Sprintf("%s %q exists already", e.Kind, e.Name)
}

// Is makes the error match ErrExists.
func (e *Exists) Is(target error) bool { return target == ErrExists }

// InUse says that an object cannot be deleted because others need it.
type InUse struct {
	Kind string
	Name string
	By   []string // for example "socket a", "plug b"; the last one may say how many more
}

// Error says who needs the object.
func (e *InUse) Error() string {
	return fmt.Sprintf("%s %q is in use by %s", e.Kind, e.Name, strings.Join(e.By, ", "))
}

// Is makes the error match ErrInUse.
func (e *InUse) Is(target error) bool { return target == ErrInUse }

// Ambiguous says that a short name fits several objects.
type Ambiguous struct {
	Kind       string
	Name       string
	Candidates []string // their full names
}

// Error lists the full names.
func (e *Ambiguous) Error() string {
	return fmt.Sprintf("several %ss are called %q: say %s", e.Kind, e.Name, quoted(e.Candidates, " or "))
}

// Is makes the error match ErrAmbiguous.
func (e *Ambiguous) Is(target error) bool { return target == ErrAmbiguous }

// Conflict says that an object was changed by someone else meanwhile.
type Conflict struct {
	Kind string
	Name string
	Why  string
}

// Error says what changed.
func (e *Conflict) Error() string {
	return fmt.Sprintf("%s %q was changed meanwhile: %s", e.Kind, e.Name, e.Why)
}

// Is makes the error match ErrConflict.
func (e *Conflict) Is(target error) bool { return target == ErrConflict }

// Ended says that a call has ended, and cannot be changed as was asked for.
type Ended struct {
	ID     string
	State  model.State
	Joined string // the call that it became part of
}

// Error says how the call ended.
func (e *Ended) Error() string {
	if e.Joined != "" {
		return fmt.Sprintf("call %s has become part of call %s", e.ID, e.Joined)
	}
	if !e.State.Terminal() {
		return fmt.Sprintf("call %s has not ended: it is %s", e.ID, e.State)
	}
	return fmt.Sprintf("call %s has ended already: it is %s", e.ID, e.State)
}

// Is makes the error match ErrConflict.
func (e *Ended) Is(target error) bool { return target == ErrConflict }

// Unfit says which items of a batch were left out because they can never be
// stored as they are, by position. All others were stored.
type Unfit struct {
	Reasons map[int]string
}

// Error gives the first reason and says how many there are.
func (e *Unfit) Error() string {
	if len(e.Reasons) == 0 {
		return ErrUnfit.Error()
	}
	at := slices.Min(slices.Collect(maps.Keys(e.Reasons)))
	return fmt.Sprintf("%d of the batch cannot be stored; number %d: %s", len(e.Reasons), at, e.Reasons[at])
}

// Is makes the error match ErrUnfit.
func (e *Unfit) Is(target error) bool { return target == ErrUnfit }

// fail says what was being done when err came up, and of which kind it is.
// Errors that speak for themselves pass unchanged.
func (s *Store) fail(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case spoken(err):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	case s.driver.Unavailable(err):
		return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
	case s.driver.MissingTable(err):
		return fmt.Errorf("%s: %w", doing, ErrUnmigrated)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// spoken tells whether the error is one of ours already.
func spoken(err error) bool {
	for _, ours := range []error{
		ErrNotFound, ErrExists, ErrInUse, ErrAmbiguous, ErrConflict, ErrUnfit, ErrCursor,
		ErrUnavailable, ErrUnmigrated, ErrNewer,
	} {
		if errors.Is(err, ours) {
			return true
		}
	}
	return false
}

func missingRow(err error) bool { return errors.Is(err, gorm.ErrRecordNotFound) }

func quoted(names []string, between string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, between)
}
