package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestAShareIsAPercentage(t *testing.T) {
	for text, want := range map[string]float64{"0": 0, "0%": 0, "5%": .05, "100%": 1, "0.5": .005} {
		if got, err := parseShare(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "%", "-1%", "101%", "NaN", "5%%", "5 %", "half"} {
		if got, err := parseShare(text); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}

func TestManualShowsEveryFlagWithItsDefault(t *testing.T) {
	for _, variable := range []string{"DMTHIN_LOG_LEVEL", "DMTHIN_LOG_FORMAT", "DMTHIN_METRICS_ADDRESS", "DMTHIN_TRIM_INTERVAL", "DMTHIN_VERIFY_DIFF"} {
		t.Setenv(variable, "")
	}
	manual, err := os.ReadFile("../../docs/options.md")
	if err != nil {
		t.Fatal(err)
	}
	newCommand(&settings{}, nil).Flags().VisitAll(func(f *pflag.Flag) {
		placeholder, usage := pflag.UnquoteUsage(f)
		variable, shown := "–", "[^|]+" // a default in words
		if _, name, ok := strings.Cut(usage, "also DMTHIN_"); ok {
			variable = "`DMTHIN_" + name + "`"
		}
		if f.DefValue != "" {
			shown = "`" + regexp.QuoteMeta(f.DefValue) + "`"
		}
		row := "(?m)^" + regexp.QuoteMeta("| `--"+f.Name+" "+placeholder+"` | "+variable+" | ") + shown + ` \| \S`
		if !f.Hidden && !regexp.MustCompile(row).Match(manual) {
			t.Errorf("docs/options.md has no line for --%s that matches %s", f.Name, row)
		}
	})
}

func TestTheManPageHasTheFlagsAndTheExitCodes(t *testing.T) {
	dir := t.TempDir()
	if code := run([]string{"--man=" + dir}); code != 0 {
		t.Fatalf("exit %d", code)
	}
	page, err := os.ReadFile(filepath.Join(dir, "dmthind.8"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--metrics-address", "DMTHIN_TRIM_INTERVAL", "another daemon has the socket", "The host daemon"} {
		if !strings.Contains(strings.ReplaceAll(string(page), `\-`, "-"), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if code := run([]string{"--man=" + filepath.Join(dir, "none")}); code == 0 {
		t.Error("a folder that is not there is taken")
	}
}
