//go:build crash

package crash

import (
	"strconv"
	"testing"
)

// TestManyPowerCuts takes workloads of one client and of several at once.
// DMTHIN_CUTS is how many cuts of each are replayed; 0 takes all.
func TestManyPowerCuts(t *testing.T) {
	count, err := strconv.Atoi(variable("DMTHIN_CUTS", "100"))
	if err != nil {
		t.Fatal(err)
	}
	first := seed(t)
	for name, w := range map[string]workload{
		"one client":           {on: onLab, seed: first, clients: 1, operations: 12},
		"three clients":        {on: onLab, seed: first + 1, clients: 3, operations: 6},
		"xfs":                  {on: onLabXFS, seed: first + 2, clients: 2, operations: 6, sizes: []string{"304M", "400M"}},
		"loop files that grow": {on: inLoopFiles, seed: first + 3, clients: 2, operations: 8, grow: true},
	} {
		t.Run(name, func(t *testing.T) { requireNothingLost(t, w, count) })
	}
}
