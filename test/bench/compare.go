package main

import "fmt"

// comparison is one row of the table: dmthin beside the peers on one storage.
type comparison struct {
	figure
	own, builtin, overlay float64 // medians; 0 where not measured
	// less is own less its round trips.
	less float64
	// faster is how many times faster than the built-in driver, round by round.
	faster float64
	// of is less as a multiple of overlay2's, or of the figure of dmthin's own
	// that the goal names, round by round.
	of float64
}

// trio names the subjects of one table.
type trio struct{ title, own, builtin, overlay string }

var trios = []trio{
	{"On loop-lvm", dmthinLoop, builtinLoop, overlay},
	{"On direct-lvm", dmthinDirect, builtinDirect, overlay},
	{"In Docker 26.1", dmthinNew, "", overlayNew},
	{"In Docker 20.10", dmthinOld, builtinOld, ""},
}

// compare returns false where dmthin was not measured.
func compare(r *Results, f figure, of trio) (c comparison, ok bool) {
	own := of.own
	mine := r.samples(f.name, own)
	if len(mine) == 0 {
		return c, false
	}
	peer, over := r.samples(f.name, of.builtin), r.samples(f.name, of.overlay)
	c = comparison{figure: f, own: median(mine), builtin: median(peer), overlay: median(over)}
	trip := f.trips(r, own)
	c.less = max(c.own-trip, 0)
	c.faster = pairedRatio(peer, mine, 0)
	c.of = 1 / positive(pairedRatio(over, mine, trip))
	if f.ofFigure != "" {
		over = r.samples(f.ofFigure, own)
		c.of = c.own / positive(median(over))
	}
	if len(over) == 0 {
		c.of = 0
	}
	return c, true
}

// trips is the time of the figure's round trips.
func (f figure) trips(r *Results, own string) float64 {
	one := figRoundTrip
	if f.atOnce {
		one = figRoundTrip16
	}
	return float64(f.calls) * median(r.samples(one, own))
}

// pairedRatio is the median over the rounds of a to b less trip; 0 for none.
func pairedRatio(a, b []float64, trip float64) float64 {
	var ratios []float64
	for i := range min(len(a), len(b)) {
		ratios = append(ratios, a[i]/positive(b[i]-trip))
	}
	return median(ratios)
}

// positive keeps divisions finite where noise ate the whole difference.
func positive(x float64) float64 { return max(x, 1e-6) }

// verdict is empty for figures without a goal.
func (c comparison) verdict() string {
	missed, judged := false, false
	judge := func(goal float64, met bool) {
		if goal != 0 {
			judged = true
			missed = missed || !met
		}
	}
	if c.builtin > 0 {
		judge(c.figure.faster, c.faster >= c.figure.faster)
	}
	if c.of > 0 {
		judge(c.within, c.of <= c.within)
	}
	judge(c.below, c.own <= c.below)
	switch {
	case !judged:
		return ""
	case missed:
		return "missed"
	}
	return "met"
}

// againstBuiltin and againstOverlay are cells: what was reached, and the goal.
func (c comparison) againstBuiltin() string {
	if c.builtin == 0 || c.unit == asRatio {
		return ""
	}
	return fmt.Sprintf("%.3g×%s", c.faster, goal("≥", c.figure.faster))
}

func (c comparison) againstOverlay() string {
	if c.of == 0 {
		return ""
	}
	return fmt.Sprintf("%.3g×%s", c.of, goal("≤", c.within))
}

func goal(sign string, value float64) string {
	if value == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s %.3g)", sign, value)
}
