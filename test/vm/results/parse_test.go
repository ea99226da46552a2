package results

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parse returns the tests in text, which comes in pieces of size bytes.
func parse(text string, size int) []Test {
	var ended []Test
	p := newParser(func(t Test) { ended = append(ended, t) })
	for piece := range slices.Chunk([]byte(text), size) {
		_, _ = p.Write(piece) // never fails
	}
	p.close()
	return ended
}

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
	// In the order they end.
	want := []Test{
		{Name: "TestPass", Outcome: Pass, Seconds: 1.25, Output: []string{"    pass_test.go:3: a word"}},
		{Name: "TestParent", Outcome: Fail, Seconds: 0.02, Output: []string{"    parent_test.go:5: after the child"}},
		{Name: "TestParent/child", Outcome: Fail, Seconds: 0.01, Output: []string{"    child_test.go:9: got 1, want 2"}},
		{Name: "TestSkip", Outcome: Skip, Output: []string{"    skip_test.go:1: too slow"}},
		{Name: "TestHang", Outcome: Unfinished, Output: []string{"panic: test timed out"}},
	}
	for _, size := range []int{1, 7, len(output)} {
		if diff := cmp.Diff(want, parse(output, size)); diff != "" {
			t.Errorf("in pieces of %d bytes: %s", size, diff)
		}
	}
}

func TestMarkedVerdictIsFoundBehindAnOpenLine(t *testing.T) {
	got := parse("\x16=== RUN   TestOpen\nno newline\x16--- PASS: TestOpen (0.10s)\n", 1000)
	want := []Test{{Name: "TestOpen", Outcome: Pass, Seconds: 0.1, Output: []string{"no newline"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLookalikesInATestsOutputAreNoVerdicts(t *testing.T) {
	got := parse("=== RUN   TestA\n--- FAIL: TestB (0.00s)\nsaid --- FAIL: TestA (0.00s)\n--- PASS: TestA (0.00s)\n", 1000)
	if len(got) != 1 || got[0].Outcome != Pass {
		t.Errorf("got %+v, want TestA to pass alone", got)
	}
}
