package kernellog

import (
	"fmt"
	"regexp"
	"strings"
)

// faults are the kernel's ways of saying that something is broken.
var faults = regexp.MustCompile(strings.Join([]string{
	`\bBUG:`,
	`\bBUG at `,
	`\bWARNING:`,
	`\bOops\b`,
	`general protection fault`,
	`Kernel panic`,
	`blocked for more than \d+ seconds`, // a hung task
	`device-mapper: .*([Ee]rror|[Ff]ailed)`,
	`EXT4-fs error`,
	`XFS .*([Cc]orruption|[Ss]hutting down|[Ss]hutdown)`,
}, "|"))

// announcement starts a log line by which a test announces what is to come.
const announcement = "dmthin-expect: "

// Checker collects the faults of one job that were not announced before they came.
type Checker struct {
	expected []*regexp.Regexp
	found    []string
}

// NewChecker returns a checker that expects nothing.
func NewChecker() *Checker { return &Checker{} }

// Check looks at the next record.
func (c *Checker) Check(r Record) {
	if !r.Kernel {
		c.expect(r.Text)
		return
	}
	if !faults.MatchString(r.Text) {
		return
	}
	for _, e := range c.expected {
		if e.MatchString(r.Text) {
			return
		}
	}
	c.found = append(c.found, r.Text)
}

func (c *Checker) expect(text string) {
	pattern, ok := strings.CutPrefix(text, announcement)
	if !ok {
		return
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		c.found = append(c.found, fmt.Sprintf("a test announced a bad pattern: %v", err))
		return
	}
	c.expected = append(c.expected, re)
}

// Faults returns the lines nobody announced, in order.
func (c *Checker) Faults() []string { return c.found }
