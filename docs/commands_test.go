package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/test/manual"
)

// followed finds the pages that the end-to-end tests do.
var followed = regexp.MustCompile(`\.follow\(t, "([^"]+)"`)

// A manual whose commands nobody runs is wrong after a while.
func TestEveryCommandOfTheManualIsRunOrSaysWhyNot(t *testing.T) {
	files, err := filepath.Glob("../test/e2e/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range followed.FindAllStringSubmatch(string(text), -1) {
			done[m[1]] = true
		}
	}
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pages {
		page, err := manual.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range page.Unread {
			t.Errorf("%s:%d: mark the block as console, json or nothing", path, line)
		}
		name := strings.TrimSuffix(path, ".md")
		if len(page.Steps) > 0 && !done[name] {
			t.Errorf("%s: no test in test/e2e follows it, and its commands (line %d is the first) don't say why not", path, page.Steps[0].Line)
		}
	}
}
