package quickjson

// Values are passed over several times on the way of a call, so here the place is
// handed from function to function instead of being kept in a Parser, which is
// twice as fast. All return where what they pass over ends; below zero: it is not
// what they are for.

// maxDepth is how deep values may be nested; beyond, encoding/json decides.
const maxDepth = 500

// space passes over white space.
func space(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// value passes over a value, and white space before it.
func value(b []byte, i, depth int) int {
	if i = space(b, i); i >= len(b) || depth > maxDepth {
		return -1
	}
	switch b[i] {
	case '"':
		return text(b, i+1)
	case '{':
		return members(b, i+1, depth+1)
	case '[':
		return elements(b, i+1, depth+1)
	case 't':
		return word(b, i, "true")
	case 'f':
		return word(b, i, "false")
	case 'n':
		return word(b, i, "null")
	}
	return number(b, i)
}

// members passes over the rest of an object.
func members(b []byte, i, depth int) int {
	if i = space(b, i); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i = space(b, i); i >= len(b) || b[i] != '"' {
			return -1
		}
		if i = text(b, i+1); i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) || b[i] != ':' {
			return -1
		}
		if i = value(b, i+1, depth); i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) || b[i] != ',' {
			return closed(b, i, '}')
		}
		i++
	}
}

// elements passes over the rest of an array.
func elements(b []byte, i, depth int) int {
	if i = space(b, i); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = value(b, i, depth); i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) || b[i] != ',' {
			return closed(b, i, ']')
		}
		i++
	}
}

// closed passes over c, which has to be there.
func closed(b []byte, i int, c byte) int {
	if i < len(b) && b[i] == c {
		return i + 1
	}
	return -1
}

func word(b []byte, i int, w string) int {
	if len(b)-i < len(w) || string(b[i:i+len(w)]) != w {
		return -1
	}
	return i + len(w)
}

// text passes over the rest of a string, escapes included.
func text(b []byte, i int) int {
	for i = special(b, i); i < len(b); i = special(b, i) {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			if i = escape(b, i+1); i < 0 {
				return -1
			}
		default: // a control character
			return -1
		}
	}
	return -1
}

// escape passes over what is behind a backslash.
func escape(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		for n := 1; n <= 4; n++ {
			if i+n >= len(b) || !isHex(b[i+n]) {
				return -1
			}
		}
		return i + 5
	}
	return -1
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func number(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = digits(b, i); i < 0 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = digits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return digits(b, i)
	}
	return i
}

// digits passes over one or more.
func digits(b []byte, i int) int {
	start := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
