package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// manual returns the second and third cells of the rows, by option, that the
// page for users has in its tables.
func manual(t *testing.T) map[string][]string {
	t.Helper()
	raw, err := os.ReadFile("../../docs/options.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(raw)) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if strings.HasPrefix(line, "| `") && len(cells) == 6 {
			rows[strings.Trim(cells[0], "`")] = cells[1:3]
		}
	}
	return rows
}

func TestManualShowsEveryOptionAsItIs(t *testing.T) {
	rows := manual(t)
	for _, opt := range Table() {
		want := []string{opt.Default, opt.Accepts}
		if opt.Default == "" {
			want[0] = "–"
		}
		if got := strings.Join(rows[opt.Name], " | "); got != strings.Join(want, " | ") {
			t.Errorf("%s is shown as %q, but is %q", opt.Name, got, want)
		}
		delete(rows, opt.Name)
	}
	delete(rows, "size")
	if len(rows) > 0 {
		t.Errorf("the page shows options that there are not: %v", rows)
	}
}

// A default that the table states must be the one that Parse uses.
func TestTableStatesTheDefaults(t *testing.T) {
	for _, opt := range Table() {
		given, err := Parse([]string{opt.Name + "=" + opt.Default})
		if err != nil {
			continue // in words, or none
		}
		given.BaseSizeSet, given.BlockSizeSet, given.BlkDiscardSet = false, false, false
		if given.Filesystem == DefaultFilesystem {
			given.Filesystem = ""
		}
		if diff := cmp.Diff(defaults(), given); diff != "" {
			t.Errorf("%s=%s is not what Parse uses without it:\n%s", opt.Name, opt.Default, diff)
		}
	}
}
