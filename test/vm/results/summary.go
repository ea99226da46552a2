package results

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dmthin/dmthin/test/vm/job"
)

// Summary counts tests over any number of jobs.
type Summary struct {
	Passed, Failed, Skipped int
	failures                []string
}

// Add counts what job res did on the machine called where, and writes a line
// for each test and the output of the failed ones to w. A job that is no test
// binary, or that did not get as far as a test, counts as one test itself.
func (s *Summary) Add(w io.Writer, where string, res job.Result, tests []Test) {
	failedBefore := s.Failed
	for _, t := range tests {
		s.addTest(w, where+" "+res.Name, t)
	}
	why := ""
	switch {
	case res.Failure != "":
		why = res.Failure
	case len(res.Faults) > 0:
		why = "the kernel logged what no test announced"
	case res.ExitCode != 0 && s.Failed == failedBefore:
		why = fmt.Sprintf("exit status %d, though no test failed", res.ExitCode) // TestMain, a script
	}
	switch {
	case why != "":
		s.Failed++
		s.failures = append(s.failures, where+" "+res.Name)
		fmt.Fprintf(w, "FAIL  %s %s (%.1fs): %s\n", where, res.Name, res.Seconds, why)
	case len(tests) == 0:
		s.Passed++
		fmt.Fprintf(w, "ok    %s %s (%.1fs)\n", where, res.Name, res.Seconds)
	}
	for _, line := range counted(res.Faults) {
		fmt.Fprintf(w, "      kernel log: %s\n", line)
	}
	if len(res.Leftover) > 0 {
		fmt.Fprintf(w, "note  %s %s left running: %s\n", where, res.Name, strings.Join(res.Leftover, ", "))
	}
}

// counted drops repeated lines and says how often they came.
func counted(lines []string) []string {
	times := map[string]int{}
	var order []string
	for _, line := range lines {
		if times[line]++; times[line] == 1 {
			order = append(order, line)
		}
	}
	for i, line := range order {
		if n := times[line]; n > 1 {
			order[i] = fmt.Sprintf("%s (%d times)", line, n)
		}
	}
	return order
}

func (s *Summary) addTest(w io.Writer, where string, t Test) {
	switch t.Outcome {
	case Pass:
		s.Passed++
		fmt.Fprintf(w, "ok    %s %s (%.2fs)\n", where, t.Name, t.Seconds)
	case Skip:
		s.Skipped++
		fmt.Fprintf(w, "skip  %s %s: %s\n", where, t.Name, strings.TrimSpace(strings.Join(t.Output, " ")))
	case Fail, Unfinished:
		s.Failed++
		s.failures = append(s.failures, where+" "+t.Name)
		fmt.Fprintf(w, "FAIL  %s %s (%.2fs)%s\n", where, t.Name, t.Seconds, map[bool]string{true: ": did not finish"}[t.Outcome == Unfinished])
		for _, line := range lastLines(t.Output, 60) {
			fmt.Fprintln(w, "      "+line)
		}
	}
}

func lastLines(lines []string, n int) []string {
	if len(lines) <= n {
		return lines
	}
	return slices.Concat([]string{fmt.Sprintf("… %d lines left out, see its output.log", len(lines)-n)}, lines[len(lines)-n:])
}

// Close writes the closing lines: the failures again, the counts.
func (s *Summary) Close(w io.Writer) {
	for _, f := range s.failures {
		fmt.Fprintln(w, "FAILED:", f)
	}
	if s.Skipped > 0 {
		fmt.Fprintf(w, "%d skipped\n", s.Skipped)
	}
	fmt.Fprintf(w, "%d passed, %d failed\n", s.Passed, s.Failed)
}
