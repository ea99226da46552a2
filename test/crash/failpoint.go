//go:build dmtest

package crash

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// fault is one failpoint with what is to happen there.
type fault struct {
	point  string // step.moment
	number int    // of the hit; 0 is the first
	action string
}

func (f fault) String() string {
	if f.number > 1 {
		return fmt.Sprintf("%s=%s:%d", f.point, f.action, f.number)
	}
	return f.point + "=" + f.action
}

// tracing has a daemon report all failpoints that it comes by.
const tracing = "trace"

var reached = regexp.MustCompile(`(?m)^failpoint (\S+) is reached$`)

// hits counts how often a tracing daemon came by each failpoint so far.
func (d *daemon) hits() map[string]int {
	hits := map[string]int{}
	for _, match := range reached.FindAllStringSubmatch(d.said(), -1) {
		hits[match[1]]++
	}
	return hits
}

// newFaults are faults at the points that were hit since, at the first hit
// since, with each action.
func newFaults(since, hits map[string]int) (faults []fault) {
	for _, point := range slices.Sorted(maps.Keys(hits)) {
		if hits[point] == since[point] {
			continue
		}
		for _, action := range []string{"kill", "panic", "error"} {
			faults = append(faults, fault{point: point, number: since[point] + 1, action: action})
		}
	}
	return faults
}

// waitHit tells whether the fault has come, or comes soon: some points are in
// work in the background.
func (f fault) waitHit(d *daemon) bool {
	for range 200 {
		if f.hit(d.said()) {
			return true
		}
		if d.dead() {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return f.hit(d.said())
}

// hit tells whether a daemon's log says that the failpoint was reached.
func (f fault) hit(said string) bool { return strings.Contains(said, "failpoint "+f.point+": ") }
