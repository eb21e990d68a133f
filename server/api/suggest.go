package api

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/elasticcode/flow/store"
)

// taken returns a function for the two results of a lookup by name: an object
// that is there already is a conflict, one that is not there is what is wanted.
func taken(kind, name string) func(any, error) error {
	return func(_ any, err error) error {
		switch {
		case err == nil:
			return &store.Exists{Kind: kind, Name: name}
		case errors.Is(err, store.ErrNotFound):
			return nil
		}
		return err
	}
}

// nearest returns the at most three names that a person may have meant.
func nearest(name string, names []string) []string {
	limit := max(1, min(len(name)/3, 4))
	type candidate struct {
		name string
		far  int
	}
	var found []candidate
	for _, n := range names {
		if far := distance(strings.ToLower(name), strings.ToLower(n)); far <= limit {
			found = append(found, candidate{n, far})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.far, b.far), strings.Compare(a.name, b.name))
	})
	var out []string
	for _, c := range found[:min(3, len(found))] {
		out = append(out, c.name)
	}
	return out
}

// distance counts the letters to insert, remove or replace that make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
