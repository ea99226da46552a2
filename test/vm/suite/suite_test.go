package suite

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// writeTree makes a module with the given files.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	files["go.mod"] = "module example.com/m\n\ngo 1.26\n"
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const tagged = "//go:build dmtest\n\npackage a\n\nimport \"testing\"\n\n"

func TestOnlyTestsBehindTheTagsAreFound(t *testing.T) {
	root := writeTree(t, map[string]string{
		"a/a.go":      "package a\n",
		"a/a_test.go": "package a\n\nimport \"testing\"\n\nfunc TestEverywhere(t *testing.T) {}\n",
		"a/k_test.go": tagged + "func TestKernel(t *testing.T) {}\nfunc TestMain(m *testing.M) {}\nfunc Testify() {}\nfunc helper(t *testing.T) {}\n",
		"b/b.go":      "package b\n",
		"b/b_test.go": "package b\n\nimport \"testing\"\n\nfunc TestEverywhere(t *testing.T) {}\n",
	})
	got, err := Discover(t.Context(), root, []string{"dmtest", "e2e"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Package{{Dir: filepath.Join(root, "a"), Name: "a", Tests: []string{"TestKernel"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOneReleaseIsEnoughForTestsThatSaySo(t *testing.T) {
	root := writeTree(t, map[string]string{
		"a/a.go": "package a\n",
		"a/k_test.go": tagged + "// Words.\n//\n//vm:once\nfunc TestNew(t *testing.T) {}\n\n" +
			"//vm:last\nfunc TestOld(t *testing.T) {}\n\n// vm:once is a word here.\nfunc TestAll(t *testing.T) {}\n",
	})
	got, err := Discover(t.Context(), root, []string{"dmtest"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		first, last bool
		want        []string
	}{
		{true, false, []string{"TestNew", "TestAll"}},
		{false, false, []string{"TestAll"}},
		{false, true, []string{"TestOld", "TestAll"}},
		{true, true, []string{"TestNew", "TestOld", "TestAll"}},
	} {
		if diff := cmp.Diff(tt.want, got[0].For(tt.first, tt.last).Tests); diff != "" {
			t.Errorf("on a release that is first %v, last %v: %s", tt.first, tt.last, diff)
		}
	}
}

func TestAShortRunLeavesOutWhatSaysThatItIsLong(t *testing.T) {
	root := writeTree(t, map[string]string{
		"a/a.go":                "package a\n",
		"a/k_test.go":           tagged + "//vm:long\nfunc TestCut(t *testing.T) {}\n\n//vm:long\nfunc TestAll(t *testing.T) {}\n\nfunc TestSome(t *testing.T) {}\n\nfunc TestSoon(t *testing.T) {}\n",
		"a/long.scenario.json":  `[{"run": "^TestCut$"}]`,
		"a/short.scenario.json": `[{"run": "^TestSoon$"}]`,
	})
	packages, err := Discover(t.Context(), root, []string{"dmtest"})
	if err != nil {
		t.Fatal(err)
	}
	scenarios, err := Scenarios(packages)
	if err != nil {
		t.Fatal(err)
	}
	packages, scenarios = Short(packages, scenarios)
	if diff := cmp.Diff([]string{"TestSome"}, packages[0].Tests); diff != "" {
		t.Error(diff)
	}
	if len(scenarios) != 1 || scenarios[0].Name != "a-short" {
		t.Errorf("scenarios %+v", scenarios)
	}
}

func TestJobRunsTheTestsOfItsPackageThatAreAskedFor(t *testing.T) {
	p := Package{Name: "internal/dm", Tests: []string{"TestA", "TestB"}}
	for run, want := range map[string]string{
		"": "-test.run=^(TestA|TestB)$", "Test[AX]": "-test.run=^(TestA)$", "TestA/x": "-test.run=TestA/x", "(": "-test.run=(",
	} {
		j := p.Job("/x", Options{Run: run, Short: run == "", Timeout: time.Minute})
		short := "-test.short=" + strconv.FormatBool(run == "")
		if !slices.Contains(j.Command, want) || !slices.Contains(j.Command, short) || j.Name != "internal-dm" {
			t.Errorf("-run %q: got %+v", run, j)
		}
		if j.Limit() <= time.Minute {
			t.Errorf("the job is ended after %s, before the binary reports its own timeout", j.Limit())
		}
	}
}

func TestScenarioCutsThePowerAndKeepsItsTestsToItself(t *testing.T) {
	root := writeTree(t, map[string]string{
		"cut.scenario.json": `[{"run": "^TestWrite$", "timeout": "2m"}, {"reboot": "hard"}, {"run": "^TestVerify$"}]`,
	})
	packages := []Package{{Dir: root, Name: "e2e", Tests: []string{"TestWrite", "TestVerify", "TestOther"}, Once: []string{"TestWrite"}}}
	scenarios, err := Scenarios(packages)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"TestOther"}, packages[0].Tests); diff != "" {
		t.Errorf("tests left to the package: %s", diff)
	}
	if !scenarios[0].Once() {
		t.Error("the scenario runs on every release though its first test needs one only")
	}
	type step struct {
		Name    string
		Cut     bool
		Timeout time.Duration
	}
	var got []step
	for _, j := range scenarios[0].Jobs("/x", Options{Timeout: 10 * time.Minute}) {
		got = append(got, step{j.Name, j.PowerCut, j.Timeout.Std()})
	}
	want := []step{{"e2e-cut-1", true, 3 * time.Minute}, {"e2e-cut-2", false, 11 * time.Minute}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPatternSelectsTestsByTheirNameAndScenariosByTheirs(t *testing.T) {
	cut := Scenario{Name: "e2e-cut", Package: Package{Name: "e2e"}}
	for run, want := range map[string]struct{ packages, tests, scenarios int }{
		"TestOther": {1, 1, 0}, "cut": {1, 0, 1}, "nothing": {0, 0, 0},
	} {
		packages, scenarios := Select([]Package{{Name: "e2e", Tests: []string{"TestOther"}}}, []Scenario{cut}, run)
		tests := 0
		for _, p := range packages {
			tests += len(p.Tests)
		}
		if len(packages) != want.packages || tests != want.tests || len(scenarios) != want.scenarios {
			t.Errorf("-run %s: %+v and %+v", run, packages, scenarios)
		}
	}
}

func TestBadScenarioIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"starts with a cut": `[{"reboot": "hard"}, {"run": "TestA"}]`,
		"soft reboot":       `[{"run": "TestA"}, {"reboot": "soft"}]`,
		"no such test":      `[{"run": "TestZ"}]`,
		"bad pattern":       `[{"run": "("}]`,
		"empty step":        `[{}]`,
		"no list":           `{`,
	} {
		t.Run(name, func(t *testing.T) {
			root := writeTree(t, map[string]string{"x.scenario.json": text})
			if s, err := Scenarios([]Package{{Dir: root, Tests: []string{"TestA"}}}); err == nil {
				t.Errorf("taken for %+v", s)
			}
		})
	}
}

func TestPatternWithSubtestsMatchesByItsFirstPart(t *testing.T) {
	p := Package{Tests: []string{"TestGrow"}}
	for run, want := range map[string]bool{"": true, "Grow/ext4": true, "TestShrink": false, "(": true} {
		if p.Matches(run) != want {
			t.Errorf("Matches(%q) = %v", run, !want)
		}
	}
}
