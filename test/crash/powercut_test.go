//go:build dmtest

package crash

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/dmthin/dmthin/test/writelog"
)

// seed returns the one of the environment variable DMTHIN_SEED, or a new one.
func seed(t *testing.T) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(variable("DMTHIN_SEED", strconv.FormatInt(time.Now().UnixNano()%1e9, 10)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("DMTHIN_SEED=%d makes the same workload again", n)
	return n
}

// some picks so many of the cuts, in their order; 0 takes all.
func some(all []writelog.Cut, count int, seed uint64) []writelog.Cut {
	if count == 0 || count >= len(all) {
		return all
	}
	picked := rand.New(rand.NewPCG(seed, 0)).Perm(len(all))[:count]
	slices.Sort(picked)
	var cuts []writelog.Cut
	for _, n := range picked {
		cuts = append(cuts, all[n])
	}
	return cuts
}

// requireNothingLost records a workload and recovers from power cuts in it.
func requireNothingLost(t *testing.T, w workload, count int) {
	t.Helper()
	done := timed(t, "recording")
	rec, err := record(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	defer rec.discard()
	done()
	all := rec.writes.Cuts()
	t.Logf("%d operations, %d entries in the log, %d different cuts", len(rec.operations), len(rec.writes.Entries), len(all))
	if len(all) < 20 {
		t.Fatalf("only %d cuts: the workload was not recorded", len(all))
	}
	done = timed(t, "replay")
	replayed, violated := 0, 0
	err = rec.replayCuts(t.Context(), some(all, count, w.seed), func(c writelog.Cut, wrong []string) bool {
		replayed++
		if len(wrong) > 0 {
			violated++
		}
		for _, line := range wrong {
			t.Errorf("cut %s of seed %d: %s", c, w.seed, line)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	done()
	tally(t, "power cuts replayed", replayed, violated)
}

//vm:once
func TestPowerCutsLoseNothingAcknowledged(t *testing.T) {
	requireNothingLost(t, workload{on: onLab, seed: seed(t), clients: 2, operations: 5}, 10)
}
