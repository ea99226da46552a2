// Package results reads what Go's test binaries print and sums it up. It does
// not run anything.
package results

import (
	"bytes"
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

// parser understands the output of a test binary run with -test.v, fed to it in
// pieces of any size.
type parser struct {
	ended   func(Test) // called when a test has ended
	tests   []Test     // in the order they started
	index   map[string]int
	current string // whose output the lines are
	partial []byte // a line not yet complete
}

func newParser(ended func(Test)) *parser {
	return &parser{ended: ended, index: map[string]int{}}
}

// Write takes the next piece of output.
func (p *parser) Write(data []byte) (int, error) {
	rest := append(p.partial, data...)
	for {
		line, after, complete := bytes.Cut(rest, []byte{'\n'})
		if !complete {
			p.partial = bytes.Clone(rest)
			return len(data), nil
		}
		p.line(string(line))
		rest = after
	}
}

// close takes what is left as the last line and ends the tests that did not.
func (p *parser) close() {
	if len(p.partial) > 0 {
		p.line(string(p.partial))
	}
	for _, t := range p.tests {
		if t.Outcome == Unfinished {
			p.ended(t)
		}
	}
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
			p.ended(*t)
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
