package results

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const output = `=== RUN   TestPass
    pass_test.go:3: a word
--- PASS: TestPass (1.25s)
=== RUN   TestParent
=== RUN   TestParent/child
    child_test.go:9: got 1, want 2
=== NAME  TestParent
    parent_test.go:5: after the child
--- FAIL: TestParent (0.02s)
    --- FAIL: TestParent/child (0.01s)
=== RUN   TestSkip
    skip_test.go:1: too slow
--- SKIP: TestSkip (0.00s)
=== RUN   TestHang
panic: test timed out
`

func TestEveryTestGetsItsOutcomeAndItsOutput(t *testing.T) {
	want := []Test{
		{Name: "TestPass", Outcome: Pass, Seconds: 1.25, Output: []string{"    pass_test.go:3: a word"}},
		{Name: "TestParent", Outcome: Fail, Seconds: 0.02, Output: []string{"    parent_test.go:5: after the child"}},
		{Name: "TestParent/child", Outcome: Fail, Seconds: 0.01, Output: []string{"    child_test.go:9: got 1, want 2"}},
		{Name: "TestSkip", Outcome: Skip, Output: []string{"    skip_test.go:1: too slow"}},
		{Name: "TestHang", Outcome: Unfinished, Output: []string{"panic: test timed out"}},
	}
	got, err := Parse(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMarkedVerdictIsFoundBehindAnOpenLine(t *testing.T) {
	got, err := Parse(strings.NewReader("\x16=== RUN   TestOpen\nno newline\x16--- PASS: TestOpen (0.10s)\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Test{{Name: "TestOpen", Outcome: Pass, Seconds: 0.1, Output: []string{"no newline"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLookalikesInATestsOutputAreNoVerdicts(t *testing.T) {
	got, err := Parse(strings.NewReader("=== RUN   TestA\n--- FAIL: TestB (0.00s)\nsaid --- FAIL: TestA (0.00s)\n--- PASS: TestA (0.00s)\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Outcome != Pass {
		t.Errorf("got %+v, want TestA to pass alone", got)
	}
}
