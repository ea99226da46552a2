// Package results reads what Go's test binaries print and sums it up. It does
// not run anything.
package results

import (
	"bufio"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Outcome is how a test ended.
type Outcome string

// Outcomes. Unfinished: the binary ended or was killed while the test ran.
const (
	Pass       Outcome = "PASS"
	Fail       Outcome = "FAIL"
	Skip       Outcome = "SKIP"
	Unfinished Outcome = "UNFINISHED"
)

// Test is one test or subtest.
type Test struct {
	Name    string
	Outcome Outcome
	Seconds float64
	// Output is what the binary printed from the test's start to its end,
	// without the subtests' own.
	Output []string
}

var (
	// Verdicts of subtests are indented. With -test.v=test2json a line of the
	// testing package starts with ^V even where a test left a line open.
	verdict  = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+) \(([\d.]+)s\)$`)
	progress = regexp.MustCompile(`^=== (RUN|PAUSE|CONT|NAME)\s+(\S*)$`)
)

// Parse reads the output of a test binary run with -test.v. The tests come in
// the order they started.
func Parse(r io.Reader) ([]Test, error) {
	p := parser{index: map[string]int{}}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			p.line(strings.TrimSuffix(line, "\n"))
		}
		if err == io.EOF {
			return p.tests, nil
		}
		if err != nil {
			return p.tests, err
		}
	}
}

type parser struct {
	tests   []Test
	index   map[string]int // of tests, by name
	current string         // whose output the lines are
}

func (p *parser) line(line string) {
	if text, marked, ok := strings.Cut(line, "\x16"); ok {
		if text != "" {
			p.output(text)
		}
		line = marked
	}
	if m := progress.FindStringSubmatch(line); m != nil {
		p.current = m[2]
		if m[1] == "RUN" {
			p.index[m[2]] = len(p.tests)
			p.tests = append(p.tests, Test{Name: m[2], Outcome: Unfinished})
		}
		return
	}
	if m := verdict.FindStringSubmatch(line); m != nil {
		p.current = m[2] // the reason of a failure follows in old formats
		if t := p.test(m[2]); t != nil {
			t.Outcome = Outcome(m[1])
			t.Seconds, _ = strconv.ParseFloat(m[3], 64) // the pattern lets numbers through only
		}
		return
	}
	p.output(line)
}

func (p *parser) output(text string) {
	if t := p.test(p.current); t != nil {
		t.Output = append(t.Output, text)
	}
}

func (p *parser) test(name string) *Test {
	if i, ok := p.index[name]; ok {
		return &p.tests[i]
	}
	return nil
}
