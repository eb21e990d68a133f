package event

import "unicode/utf8"

// Match tells whether a channel's name fits the pattern of a subscription: *
// stands for any text (dots too), ? for one character, and everything else for
// itself. Drivers match here, so that a pattern means the same on each of them.
func Match(pattern, channel string) bool {
	star, resume := -1, 0 // the last * seen, and where the text after it was tried last
	p, c := 0, 0
	for c < len(channel) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, c
			p++
		case p < len(pattern) && pattern[p] == '?':
			_, n := utf8.DecodeRuneInString(channel[c:])
			p, c = p+1, c+n
		case p < len(pattern) && pattern[p] == channel[c]:
			p, c = p+1, c+1
		case star >= 0: // let the last * swallow one byte more
			resume++
			p, c = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
