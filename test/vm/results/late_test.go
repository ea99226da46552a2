package results

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmthin/dmthin/test/vm/job"
)

func TestOnlyWhatFailedOfTimeAloneIsRunAgain(t *testing.T) {
	const jobName = "internal-dm"
	failed := func(name string, output ...string) string {
		return "=== RUN   " + name + "\n" + strings.Join(output, "\n") + "\n--- FAIL: " + name + " (1.00s)\n"
	}
	late := failed("TestLate", "    a_test.go:8: wait for udevd: udevd did not confirm in time: is it running?")
	tests := []struct {
		name   string
		output string
		want   []string
	}{
		{"waited in vain", late, []string{"TestLate"}},
		{"took too long", failed("TestLate", "    a_test.go:8: took 5.2s"), []string{"TestLate"}},
		{"still in use", failed("TestLate", "    a_test.go:8: umount /mnt: umount: /mnt: target is busy."), []string{"TestLate"}},
		{"wrong", failed("TestWrong", "    a_test.go:9: got 1, want 2"), nil},
		{"one of each", late + failed("TestWrong", "    a_test.go:9: got 1, want 2"), []string{"TestLate"}},
		{"only its subtest", "=== RUN   TestA\n=== RUN   TestA/b\n    a_test.go:8: not so after 30s: served\n" +
			"--- FAIL: TestA (1.00s)\n    --- FAIL: TestA/b (1.00s)\n", []string{"TestA"}},
		{"another subtest is wrong", "=== RUN   TestA\n=== RUN   TestA/b\n    a_test.go:8: not so after 30s: served\n" +
			"=== RUN   TestA/c\n    a_test.go:9: got 1\n" +
			"--- FAIL: TestA (1.00s)\n    --- FAIL: TestA/b (1.00s)\n    --- FAIL: TestA/c (1.00s)\n", nil},
		{"did not finish", "=== RUN   TestA\npanic: test timed out after 1m30s\n", nil},
		{"too many", late + strings.ReplaceAll(late, "TestLate", "TestLater") + strings.ReplaceAll(late, "TestLate", "TestLatest"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s Summary
			j := s.Follow(&bytes.Buffer{}, "trixie", jobName)
			_, _ = j.Write([]byte(tt.output)) // never fails
			j.Finish(job.Result{ExitCode: 1})
			before := s.Failed()
			var got []string
			for _, l := range s.TakeLate([]string{jobName}, 2) {
				got = append(got, l.Tests...)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if tt.want == nil && s.Failed() != before {
				t.Errorf("%d failures left of %d", s.Failed(), before)
			}
		})
	}
}

func TestSecondFailureOfALateTestCounts(t *testing.T) {
	const output = "=== RUN   TestA\n    a_test.go:8: took 5s\n--- FAIL: TestA (0.10s)\n"
	var s Summary
	run := func() {
		j := s.Follow(&bytes.Buffer{}, "trixie", "internal-dm")
		_, _ = j.Write([]byte(output)) // never fails
		j.Finish(job.Result{ExitCode: 1})
	}
	run()
	if late := s.TakeLate([]string{"internal-dm"}, 1); len(late) != 1 || s.Failed() != 0 {
		t.Fatalf("%v, %d failures left", late, s.Failed())
	}
	run()
	var out bytes.Buffer
	s.Close(&out)
	if s.Failed() != 1 || !strings.Contains(out.String(), "late: trixie internal-dm TestA ran out of time or met udev") {
		t.Errorf("%d failures\n%s", s.Failed(), out.String())
	}
}

func TestLateTestsOfOneJobAreRunAgainTogether(t *testing.T) {
	var s Summary
	jobs := []*Job{s.Follow(&bytes.Buffer{}, "trixie", "internal-dm"), s.Follow(&bytes.Buffer{}, "bookworm", "internal-dm")}
	for _, test := range []string{"TestA", "TestB"} {
		for _, j := range jobs {
			_, _ = j.Write([]byte("=== RUN   " + test + "\n    a_test.go:8: took 5s\n--- FAIL: " + test + " (0.10s)\n")) // never fails
		}
	}
	want := []Late{{"trixie", "internal-dm", []string{"TestA", "TestB"}}, {"bookworm", "internal-dm", []string{"TestA", "TestB"}}}
	if diff := cmp.Diff(want, s.TakeLate([]string{"internal-dm"}, 4)); diff != "" {
		t.Error(diff)
	}
}

func TestTestsOfAScenarioAreNotRunAgain(t *testing.T) {
	var s Summary
	j := s.Follow(&bytes.Buffer{}, "trixie", "test-e2e-powercut-2")
	_, _ = j.Write([]byte("=== RUN   TestA\n    a_test.go:8: took 5s\n--- FAIL: TestA (0.10s)\n")) // never fails
	j.Finish(job.Result{ExitCode: 1})
	if late := s.TakeLate([]string{"test-e2e"}, 1); late != nil || s.Failed() != 1 {
		t.Errorf("%v, %d failures left", late, s.Failed())
	}
}
