package exit

import "strings"

// Near tells whether a word was perhaps meant as another: one begins with the
// other, or at most a third of the letters differ.
func Near(typed, known string) bool {
	typed, known = strings.ToLower(typed), strings.ToLower(known)
	if len(typed) > 2 && strings.HasPrefix(known, typed) {
		return true
	}
	return distance(typed, known) <= max(1, len(known)/3)
}

// distance counts the letters to change, add, remove or swap with a neighbour
// to get from one word to the other.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, row := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(x); i++ {
		older := before
		before, row = row, make([]int, len(y)+1)
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(before[j]+1, row[j-1]+1, before[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
	}
	return row[len(y)]
}
