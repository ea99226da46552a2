// Package docs checks that the documents don't refer to what isn't there.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	row      = regexp.MustCompile(`(?m)^\| (\d+) \|.*\|([^|]*)\|$`)
	testName = regexp.MustCompile("`(Test[A-Za-z0-9_]+)")
	testFunc = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(`)
)

func TestPainPointsAreNumbered(t *testing.T) {
	page, err := os.ReadFile("pain-points.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := row.FindAllStringSubmatch(string(page), -1)
	if len(rows) != 25 {
		t.Fatalf("pain-points.md has %d rows, want 25", len(rows))
	}
	for i, r := range rows {
		if r[1] != strconv.Itoa(i+1) {
			t.Errorf("row %d is numbered %s", i+1, r[1])
		}
	}
}

func TestPagesNameTestsThatExist(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsIn(t, "..")
	for _, name := range pages {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testName.FindAllSubmatch(page, -1) {
			if !tests[string(m[1])] {
				t.Errorf("%s: there is no %s", name, m[1])
			}
		}
	}
}

// testsIn finds the names of all Go tests below dir, whatever their build tags.
func testsIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "build" || d.Name() == ".git" || d.Name() == ".cache"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range testFunc.FindAllSubmatch(raw, -1) {
			names[string(m[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
