package jetstream

import "strings"

// matchTopic tells whether a routing key matches the key of a binding to a topic
// exchange: words separated by dots, * is one word, # is any number of them.
func matchTopic(pattern, key string) bool {
	return matchWords(strings.Split(pattern, "."), strings.Split(key, "."))
}

func matchWords(pattern, key []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "#" {
			for len(pattern) > 0 && pattern[0] == "#" { // ## is #, and must not be tried twice
				pattern = pattern[1:]
			}
			for i := range len(key) + 1 {
				if matchWords(pattern, key[i:]) {
					return true
				}
			}
			return false
		}
		if len(key) == 0 || pattern[0] != "*" && pattern[0] != key[0] {
			return false
		}
		pattern, key = pattern[1:], key[1:]
	}
	return len(key) == 0
}
