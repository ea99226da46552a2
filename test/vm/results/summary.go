package results

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/dmthin/dmthin/test/vm/job"
)

// Summary counts tests over any number of jobs, also of several machines at once.
type Summary struct {
	mu                      sync.Mutex // protects what follows, and keeps a test's lines together
	passed, failed, skipped int
	failures                []failure
	late                    []string // tests run again, see TakeLate
}

// failure is one for the closing lines.
type failure struct {
	where, job string
	test       string   // empty: the job itself
	output     []string // its last lines
	late       bool     // it says that time ran out
	unfinished bool
}

func (f failure) name() string {
	return strings.TrimSpace(strings.Join([]string{f.where, f.job, f.test}, " "))
}

// Failed is the number of failures so far.
func (s *Summary) Failed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Job follows one job: its output is written to it, and each test's outcome
// comes out as soon as it is known.
type Job struct {
	*parser
	sum         *Summary
	out         io.Writer
	where, name string // for the lines that come out
	failed      int    // tests
}

// Follow returns a Job for the job name on the machine where. It reports to w: a
// line for each test, and the output of those that failed.
func (s *Summary) Follow(w io.Writer, where, name string) *Job {
	j := &Job{sum: s, out: w, where: where, name: name}
	j.parser = newParser(j.addTest)
	return j
}

// Finish ends the job, after all its output, with its result. A job that is no
// test binary, or failed besides its tests, counts as one test itself.
func (j *Job) Finish(res job.Result) {
	j.close()
	j.sum.mu.Lock()
	defer j.sum.mu.Unlock()
	why := ""
	switch {
	case res.Failure != "":
		why = res.Failure
	case len(res.Faults) > 0:
		why = "the kernel logged what no test announced"
	case res.ExitCode != 0 && j.failed == 0:
		why = fmt.Sprintf("exit status %d, though no test failed", res.ExitCode) // TestMain, a script
	}
	switch {
	case why != "":
		j.fail(fmt.Sprintf(" (%.1fs): %s", res.Seconds, why), failure{})
	case len(j.tests) == 0:
		j.sum.passed++
		fmt.Fprintf(j.out, "ok    %s %s (%.1fs)\n", j.where, j.name, res.Seconds)
	}
	for _, line := range counted(res.Faults) {
		fmt.Fprintf(j.out, "      kernel log: %s\n", line)
	}
	if len(res.Leftover) > 0 {
		fmt.Fprintf(j.out, "note  %s %s left running: %s\n", j.where, j.name, strings.Join(res.Leftover, ", "))
	}
}

func (j *Job) addTest(t Test) {
	j.sum.mu.Lock()
	defer j.sum.mu.Unlock()
	name := fmt.Sprintf("%s %s %s", j.where, j.name, t.Name)
	switch t.Outcome {
	case Pass:
		j.sum.passed++
		fmt.Fprintf(j.out, "ok    %s (%.2fs)\n", name, t.Seconds)
		return
	case Skip:
		j.sum.skipped++
		fmt.Fprintf(j.out, "skip  %s: %s\n", name, strings.TrimSpace(strings.Join(t.Output, " ")))
		return
	}
	j.failed++
	f := failure{
		test: t.Name, output: lastLines(t.Output, 12),
		late: slices.ContainsFunc(t.Output, outOfTime.MatchString), unfinished: t.Outcome == Unfinished,
	}
	if f.unfinished {
		j.fail(": did not finish", f)
	} else {
		j.fail(fmt.Sprintf(" (%.2fs)", t.Seconds), f)
	}
	for _, line := range lastLines(t.Output, 60) {
		fmt.Fprintln(j.out, "      "+line)
	}
}

// fail counts a failure of the job, reports it with how it went and keeps it for
// the end. The caller holds the summary's lock.
func (j *Job) fail(how string, f failure) {
	f.where, f.job = j.where, j.name
	j.sum.failed++
	j.sum.failures = append(j.sum.failures, f)
	fmt.Fprintln(j.out, "FAIL  "+f.name()+how)
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

func lastLines(lines []string, n int) []string {
	if len(lines) <= n {
		return lines
	}
	return slices.Concat([]string{fmt.Sprintf("… %d lines left out, see its output.log", len(lines)-n)}, lines[len(lines)-n:])
}

// Close writes the closing lines: the failures again, for those who see only the
// end of a long log, and the counts.
func (s *Summary) Close(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.failures {
		fmt.Fprintln(w, "FAILED:", f.name())
		for _, line := range f.output {
			fmt.Fprintln(w, "      "+line)
		}
	}
	for _, name := range s.late {
		fmt.Fprintf(w, "late: %s ran out of time or met udev, and was run again alone\n", name)
	}
	if s.skipped > 0 {
		fmt.Fprintf(w, "%d skipped\n", s.skipped)
	}
	fmt.Fprintf(w, "%d passed, %d failed\n", s.passed, s.failed)
}
