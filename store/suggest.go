package store

import (
	"cmp"
	"slices"
	"strings"
)

// closest returns the at most three names that a person may have meant.
func closest(name string, names []string) []string {
	type candidate struct {
		name string
		far  int
	}
	limit := max(1, min(len(name)/3, 6))
	var found []candidate
	for _, n := range names {
		if n == name {
			continue
		}
		far := distance(strings.ToLower(name), strings.ToLower(n))
		if far > limit {
			// The last part of a dotted name is what people remember of it.
			if len(name) < 3 || !strings.HasSuffix(n, "."+name) {
				continue
			}
			far = limit
		}
		found = append(found, candidate{n, far})
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

// distance counts the letters to insert, remove, replace or swap with their
// neighbour that make a into b (optimal string alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	before, row, next := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i := range s {
		next[0] = i + 1
		for j := range t {
			change := row[j]
			if s[i] != t[j] {
				change++
			}
			next[j+1] = min(change, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(t)]
}
