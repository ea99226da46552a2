package results

import (
	"regexp"
	"slices"
	"strings"
)

// outOfTime is how tests and programs say that they waited long enough: "did
// not confirm in time", "not so after 30s: …", "took 6.1s"; or that they found in
// use what udev's programs have open for a moment, which an emulated CPU makes long.
var outOfTime = regexp.MustCompile(`\b(in time|timed out|timeout|deadline exceeded|resource busy|target is busy)\b|\b(not in|not so after|took) [\dhm.µ]+s\b`)

// Late names the tests of one job that failed in no other way than outOfTime says.
type Late struct {
	Where, Job string
	Tests      []string // top-level ones
}

// TakeLate returns the late tests of the jobs, and takes their failures off the
// count: whoever calls it runs them again. With more than most of them it takes none: that is no bad moment.
func (s *Summary) TakeLate(jobs []string, most int) []Late {
	s.mu.Lock()
	defer s.mu.Unlock()
	var late []Late
	var all []string
	for _, f := range s.failures {
		if !slices.Contains(jobs, f.job) || !s.onlyLate(f.testKey()) || slices.Contains(all, f.testKey()) {
			continue
		}
		all = append(all, f.testKey())
		n := slices.IndexFunc(late, func(l Late) bool { return l.Where == f.where && l.Job == f.job })
		if n < 0 { // failures of several machines alternate
			n, late = len(late), append(late, Late{Where: f.where, Job: f.job})
		}
		late[n].Tests = append(late[n].Tests, topLevel(f.test))
	}
	if len(all) > most {
		return nil
	}
	before := len(s.failures)
	s.failures = slices.DeleteFunc(s.failures, func(f failure) bool { return slices.Contains(all, f.testKey()) })
	s.failed -= before - len(s.failures)
	s.late = append(s.late, all...)
	return late
}

// onlyLate tells whether the test failed, together with its subtests, in no
// other way than by time. A parent that says nothing failed by its subtests.
func (s *Summary) onlyLate(key string) bool {
	said := false
	for _, f := range s.failures {
		if f.testKey() != key {
			continue
		}
		if f.test == "" || f.unfinished || len(f.output) > 0 && !f.late {
			return false
		}
		said = said || f.late
	}
	return said
}

// testKey names the top-level test.
func (f failure) testKey() string {
	return strings.Join([]string{f.where, f.job, topLevel(f.test)}, " ")
}

func topLevel(test string) string {
	top, _, _ := strings.Cut(test, "/")
	return top
}
