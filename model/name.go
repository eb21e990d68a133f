package model

import (
	"fmt"
	"regexp"
)

// DefaultNetwork is the network that objects belong to when none is named.
const DefaultNetwork = "default"

// MaxNameLength is the longest name of an object, in bytes. Three names and two
// dots make a queue name on the broker, where 255 bytes are allowed.
const MaxNameLength = 80

var validName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// CheckName tells what is wrong with the name of a kind of object ("queue",
// "socket", …), or returns nil. Names become parts of queue names, channels and
// paths, hence the narrow alphabet; ':', '/' and '!' are kept for the engine.
func CheckName(kind, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a %s needs a name", kind)
	case len(name) > MaxNameLength:
		return fmt.Errorf("%s name %.20q… is %d bytes long: at most %d are allowed", kind, name, len(name), MaxNameLength)
	case !validName.MatchString(name):
		return fmt.Errorf("%s name %q: use letters, digits, '.', '_' and '-', and begin with a letter, digit or '_'", kind, name)
	}
	return nil
}
