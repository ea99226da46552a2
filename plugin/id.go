package plugin

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxIDLength is the longest layer ID accepted, in bytes. Device-mapper names
// end at 127 bytes and a driver needs room for a prefix of its own. The longest
// that dockerd sends is 69: 64 hex digits and "-init".
const MaxIDLength = 96

// checkID refuses what can't be one component of a path. It must not ask for
// more: BuildKit's IDs are base 36, and nothing promises that it stays so.
func checkID(field, id string) error {
	switch {
	case id == "":
		return badRequest("%s is missing or empty; want a layer ID", field)
	case len(id) > MaxIDLength:
		return badRequest("%s has %d bytes; a layer ID has at most %d", field, len(id), MaxIDLength)
	case id == "." || id == "..":
		return badRequest("%s %q is a directory name, not a layer ID", field, id)
	case strings.Contains(id, "/"):
		return badRequest("%s %q has a slash; a layer ID can't have one", field, id)
	}
	for _, r := range id {
		// JSON decoding replaces bytes that are not UTF-8 by RuneError, so that
		// two IDs could become one.
		if unicode.IsControl(r) || r == utf8.RuneError {
			return badRequest("%s %q has a control character or is not UTF-8; a layer ID can't have either", field, id)
		}
	}
	return nil
}

// checkParent is checkID for the optional parent.
func checkParent(parent string) error {
	if parent == "" {
		return nil
	}
	return checkID("Parent", parent)
}
