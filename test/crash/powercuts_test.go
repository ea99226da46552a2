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
		"one client":    {seed: first, clients: 1, operations: 12},
		"three clients": {seed: first + 1, clients: 3, operations: 6},
	} {
		t.Run(name, func(t *testing.T) { requireNothingLost(t, w, count) })
	}
}
