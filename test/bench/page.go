package main

import (
	"fmt"
	"os"
	"strings"
)

// The generated part of a page lies between these lines.
const (
	generatedBegin = "<!-- make bench writes from here -->\n"
	generatedEnd   = "<!-- to here -->\n"
)

// replaceGenerated leaves the rest of the page as people wrote it.
func replaceGenerated(page, text string) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(old), generatedBegin)
	_, after, ends := strings.Cut(rest, generatedEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no part between %q and %q", page, generatedBegin, generatedEnd)
	}
	return os.WriteFile(page, []byte(before+generatedBegin+text+generatedEnd+after), 0o644)
}
