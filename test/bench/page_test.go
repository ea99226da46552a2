package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReportReplacesOnlyItsPartOfThePage(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("# Title\n"+generatedBegin+"old\n"+generatedEnd+"the end\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceGenerated(page, "new\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(page)
	if want := "# Title\n" + generatedBegin + "new\n" + generatedEnd + "the end\n"; err != nil || string(got) != want {
		t.Errorf("page is %q, %v; want %q", got, err, want)
	}
	if err := os.WriteFile(page, []byte("# Title\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if replaceGenerated(page, "new\n") == nil {
		t.Error("a page without the marks was written to")
	}
}

func TestPlotsShowWhatWasMeasured(t *testing.T) {
	dir := t.TempDir()
	if err := plots(resultsOf(figCreate, []float64{0.02}, []float64{0.1}, []float64{0.02}), dir); err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(filepath.Join(dir, "bench-on-loop-lvm.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{figCreate, builtinLoop, overlay} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("the plot doesn't name %q", want)
		}
	}
	text := withPlots("### On loop-lvm\n\n| table", "images")
	if want := "### On loop-lvm\n\n![On loop-lvm](images/bench-on-loop-lvm.svg)\n\n| table"; text != want {
		t.Errorf("the page is %q, want %q", text, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "bench-on-direct-lvm.svg")); err == nil {
		t.Error("a plot of what was not measured")
	}
}
