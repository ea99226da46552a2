package results

import (
	"bytes"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/test/vm/job"
)

func TestSummaryCountsWhatFailed(t *testing.T) {
	pass, fail := Test{Name: "TestA", Outcome: Pass}, Test{Name: "TestB", Outcome: Fail}
	tests := []struct {
		name           string
		res            job.Result
		tests          []Test
		passed, failed int
	}{
		{"all pass", job.Result{}, []Test{pass, pass}, 2, 0},
		{"one fails", job.Result{ExitCode: 1}, []Test{pass, fail}, 1, 1},
		{"one hangs", job.Result{ExitCode: 2}, []Test{{Outcome: Unfinished}}, 0, 1},
		{"a script", job.Result{}, nil, 1, 0},
		{"a script fails", job.Result{ExitCode: 3}, nil, 0, 1},
		{"TestMain fails after the tests", job.Result{ExitCode: 1}, []Test{pass}, 1, 1},
		{"the kernel complains", job.Result{Faults: []string{"BUG: oh"}}, []Test{pass}, 1, 1},
		{"the kernel complains besides", job.Result{ExitCode: 1, Faults: []string{"BUG: oh"}}, []Test{fail}, 0, 2},
		{"the machine dies", job.Result{ExitCode: -1, Failure: "the machine died"}, []Test{pass}, 1, 1},
		{"a skip is neither", job.Result{}, []Test{pass, {Outcome: Skip}}, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s Summary
			s.Add(&bytes.Buffer{}, "trixie", tt.res, tt.tests)
			if s.Passed != tt.passed || s.Failed != tt.failed {
				t.Errorf("got %d passed, %d failed, want %d and %d", s.Passed, s.Failed, tt.passed, tt.failed)
			}
		})
	}
}

func TestClosingLineCountsAndFailuresAreNamedAgain(t *testing.T) {
	var s Summary
	s.Add(&bytes.Buffer{}, "trixie", job.Result{Name: "internal-dm", ExitCode: 1},
		[]Test{{Name: "TestA", Outcome: Pass}, {Name: "TestB", Outcome: Fail}})
	var out bytes.Buffer
	s.Close(&out)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if got := lines[len(lines)-1]; got != "1 passed, 1 failed" {
		t.Errorf("closing line %q", got)
	}
	if !strings.Contains(out.String(), "FAILED: trixie internal-dm TestB") {
		t.Errorf("the failure is not named:\n%s", out.String())
	}
}

func TestRepeatedKernelLinesAreCountedNotRepeated(t *testing.T) {
	got := counted([]string{"a", "b", "a", "a"})
	if len(got) != 2 || got[0] != "a (3 times)" || got[1] != "b" {
		t.Errorf("got %q", got)
	}
}
