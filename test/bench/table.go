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
	if len(r.Failures) > 0 {
		fmt.Fprintf(&b, "\n### What failed\n\n- %s\n", strings.Join(r.Failures, "\n- "))
	}
	if rows := floors(r); rows != "" {
		fmt.Fprintf(&b, "\n### What the kernel alone takes\n\n%s", rows)
	}
	return b.String()
}

func (s Scale) explain() string {
	return fmt.Sprintf("At most %d rounds (%d of the slow ones), as time allowed; the image has %d files, the applied layer %d, the huge image %d; "+
		"the big file is %d MiB; many layers are %d, first and last %d of each; %d calls at once. "+
		"With dockerd the image has %d files, and the build %d steps.",
		s.Rounds, s.SlowRounds, s.Tree, s.Apply, s.Huge, s.Big>>20, s.Many, s.Probe, s.AtOnce, s.ImageTree, s.Steps)
}

const tableHead = `| | dmthin | less the round trips | devicemapper | faster (goal) | overlay2 | of its time (goal) | goal |
|---|--:|--:|--:|--:|--:|--:|---|
`

func table(r *Results, of trio) string {
	var b strings.Builder
	for _, f := range figures {
		c, ok := compare(r, f, of)
		if !ok || strings.HasPrefix(f.name, floorPrefix) {
			continue
		}
		less := ""
		if f.calls > 0 {
			less = f.unit.format(c.less)
		}
		fmt.Fprintf(&b, "| %s%s | %s | %s | %s | %s | %s | %s | %s |\n", f.name, f.limit(), f.unit.format(c.own), less,
			f.unit.format(c.builtin), c.againstBuiltin(), f.unit.format(c.overlay), c.againstOverlay(), c.verdict())
	}
	if b.Len() == 0 {
		return ""
	}
	return tableHead + b.String()
}

// limit is the goal that relates to nobody else.
func (f figure) limit() string {
	switch {
	case f.below > 0:
		return fmt.Sprintf(" (goal: at most %s)", f.unit.format(f.below))
	case f.ofFigure != "":
		return fmt.Sprintf(" (goal: at most %.3g times that of %d)", f.within, fullScale.Tree)
	}
	return ""
}

// floors are the kernel's own times, and how close dmthin comes to them.
func floors(r *Results) string {
	var b strings.Builder
	for _, floor := range figures {
		samples := r.samples(floor.name, dmthinLoop)
		name, is := strings.CutPrefix(floor.name, floorPrefix)
		if !is || len(samples) == 0 {
			continue
		}
		kernel := median(samples)
		fmt.Fprintf(&b, "| %s | %s |", name, floor.unit.format(kernel))
		var above []string
		for _, f := range figures {
			if c, ok := compare(r, f, trios[0]); ok && f.floor == floor.name {
				above = append(above, fmt.Sprintf("%s: %s, %.3g×", f.name, f.unit.format(c.less), c.less/positive(kernel)))
			}
		}
		if len(above) > 0 {
			fmt.Fprintf(&b, " %s |", strings.Join(above, "; "))
		}
		fmt.Fprintln(&b)
	}
	if b.Len() == 0 {
		return ""
	}
	return "| what nobody can do without | | dmthin, less the round trips |\n|---|--:|---|\n" + b.String()
}

// format leaves out what was not measured.
func (u unit) format(v float64) string {
	switch {
	case v == 0:
		return ""
	case u == inBytes:
		return fmt.Sprintf("%.1f MiB", v/(1<<20))
	case u == asRatio:
		return fmt.Sprintf("%.2f×", v)
	case v >= 1:
		return fmt.Sprintf("%.3g s", v)
	case v < 1e-3:
		return fmt.Sprintf("%.3f ms", v*1e3)
	}
	return fmt.Sprintf("%.3g ms", v*1e3)
}
