package results

import (
	"bytes"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/test/vm/job"
)

func TestSummaryCountsWhatFailed(t *testing.T) {
	const (
		pass = "=== RUN   TestA\n--- PASS: TestA (0.10s)\n"
		fail = "=== RUN   TestB\n--- FAIL: TestB (0.10s)\n"
		hang = "=== RUN   TestC\n"
		skip = "=== RUN   TestD\n--- SKIP: TestD (0.00s)\n"
	)
	tests := []struct {
		name           string
		res            job.Result
		output         string
		passed, failed int
	}{
		{"all pass", job.Result{}, pass + pass, 2, 0},
		{"one fails", job.Result{ExitCode: 1}, pass + fail, 1, 1},
		{"one hangs", job.Result{ExitCode: 2}, hang, 0, 1},
		{"a script", job.Result{}, "", 1, 0},
		{"a script fails", job.Result{ExitCode: 3}, "", 0, 1},
		{"TestMain fails after the tests", job.Result{ExitCode: 1}, pass, 1, 1},
		{"the kernel complains", job.Result{Faults: []string{"BUG: oh"}}, pass, 1, 1},
		{"the kernel complains besides", job.Result{ExitCode: 1, Faults: []string{"BUG: oh"}}, fail, 0, 2},
		{"the machine dies", job.Result{ExitCode: -1, Failure: "the machine died"}, pass, 1, 1},
		{"a skip is neither", job.Result{}, pass + skip, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s Summary
			j := s.Follow(&bytes.Buffer{}, "trixie", "job")
			_, _ = j.Write([]byte(tt.output)) // never fails
			j.Finish(tt.res)
			if s.passed != tt.passed || s.failed != tt.failed {
				t.Errorf("got %d passed, %d failed, want %d and %d", s.passed, s.failed, tt.passed, tt.failed)
			}
		})
	}
}

func TestClosingLineCountsAndFailuresAreNamedAgain(t *testing.T) {
	var s Summary
	j := s.Follow(&bytes.Buffer{}, "trixie", "internal-dm")
	_, _ = j.Write([]byte("=== RUN   TestA\n--- PASS: TestA (0s)\n=== RUN   TestB\n    b_test.go:7: got 1\n--- FAIL: TestB (0s)\n")) // never fails
	j.Finish(job.Result{ExitCode: 1})
	var out bytes.Buffer
	s.Close(&out)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if got := lines[len(lines)-1]; got != "1 passed, 1 failed" {
		t.Errorf("closing line %q", got)
	}
	if !strings.Contains(out.String(), "FAILED: trixie internal-dm TestB\n          b_test.go:7: got 1\n") {
		t.Errorf("the failure is not shown:\n%s", out.String())
	}
}

func TestOutcomesComeOutAtOnceWithTheOutputOfFailures(t *testing.T) {
	var s Summary
	var out bytes.Buffer
	j := s.Follow(&out, "trixie", "internal-dm")
	_, _ = j.Write([]byte("=== RUN   TestB\n    b_test.go:7: got 1\n--- FAIL: TestB (0.50s)\n=== RUN   TestC\n")) // never fails
	want := "FAIL  trixie internal-dm TestB (0.50s)\n          b_test.go:7: got 1\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestRepeatedKernelLinesAreCountedNotRepeated(t *testing.T) {
	got := counted([]string{"a", "b", "a", "a"})
	if len(got) != 2 || got[0] != "a (3 times)" || got[1] != "b" {
		t.Errorf("got %q", got)
	}
}
