package main

import (
	"fmt"
	"strings"
)

// markdown is the whole report.
func markdown(r *Results) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s at %s: Linux %s, %d × %s, %s of memory.\n\n",
		r.Where.Date, r.Where.Commit, r.Where.Kernel, r.Where.CPUs, r.Where.CPU, r.Where.Memory)
	fmt.Fprintln(&b, r.Scale.explain())
	for _, t := range trios {
		if rows := table(r, t); rows != "" {
			fmt.Fprintf(&b, "\n### %s\n\n%s", t.title, rows)
		}
	}
	return b.String()
}

func (s Scale) explain() string {
	return fmt.Sprintf("%d rounds (%d of the slow ones); the image has %d files; %d calls at once.", s.Rounds, s.SlowRounds, s.Tree, s.AtOnce)
}

const tableHead = `| | dmthin | less the round trips | devicemapper | faster (goal) | overlay2 | of its time (goal) | goal |
|---|--:|--:|--:|--:|--:|--:|---|
`

func table(r *Results, of trio) string {
	var b strings.Builder
	for _, f := range figures {
		c, ok := compare(r, f, of)
		if !ok {
			continue
		}
		less := ""
		if f.calls > 0 {
			less = milliseconds(c.less)
		}
		fmt.Fprintf(&b, "| %s%s | %s | %s | %s | %s | %s | %s | %s |\n", f.name, f.limit(), milliseconds(c.own), less,
			milliseconds(c.builtin), c.againstBuiltin(), milliseconds(c.overlay), c.againstOverlay(), c.verdict())
	}
	if b.Len() == 0 {
		return ""
	}
	return tableHead + b.String()
}

// limit is the goal that relates to nobody else.
func (f figure) limit() string {
	if f.below == 0 {
		return ""
	}
	return fmt.Sprintf(" (goal: at most %s)", milliseconds(f.below))
}

// milliseconds leaves out what was not measured.
func milliseconds(seconds float64) string {
	switch {
	case seconds == 0:
		return ""
	case seconds < 1e-3:
		return fmt.Sprintf("%.3f ms", seconds*1e3)
	case seconds < 10:
		return fmt.Sprintf("%.3g ms", seconds*1e3)
	}
	return fmt.Sprintf("%.1f s", seconds)
}
