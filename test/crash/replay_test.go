//go:build crash

package crash

import (
	"math/rand/v2"
	"testing"

	"github.com/dmthin/dmthin/test/writelog"
)

// TestPlantedFaultsAreFound is the test of the power cuts: each of these faults
// in the daemon must show after some cut, or their zero proves nothing.
func TestPlantedFaultsAreFound(t *testing.T) {
	for _, fault := range []string{
		"unsynced-layer",     // ApplyDiff answers before the layer's content is synced
		"unsynced-directory", // a record's directory is not synced after the rename
		"unsynced-record",    // a record is renamed before it is synced
		"swapped-steps",      // the transaction is closed before the record is written
		"early-retirement",   // the intent is taken back before its transaction is closed
	} {
		t.Run(fault, func(t *testing.T) {
			tallyOne(t, "planted faults (violation: missed)")
			requireFound(t, fault)
		})
	}
}

// requireFound replays the cuts of a small workload until one shows the fault.
func requireFound(t *testing.T, fault string) {
	rec, err := record(t.Context(), workload{on: onLab, clients: 1, planted: fault + "=plant", script: []operation{
		{verb: create, layer: "a"},
		{verb: fill, layer: "a", held: true, files: map[string]string{"x": "1", "y": "2"}},
		{verb: create, layer: "z"}, // a snapshot of a would sync it
		{verb: create, layer: "b", parent: "a"},
		{verb: remove, layer: "z"},              // the mark in its record is all that is synced
		{verb: create, layer: "s", size: "96M"}, // its record is replaced by a ready one
		{verb: create, layer: "c"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer rec.discard()
	cuts := rec.afterSetUp()
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(cuts), func(i, j int) { cuts[i], cuts[j] = cuts[j], cuts[i] })
	replayed, shown := 0, ""
	err = rec.replayCuts(t.Context(), cuts, func(_ writelog.Cut, wrong []string) bool {
		replayed++
		if len(wrong) > 0 {
			shown = wrong[0]
		}
		return shown == ""
	})
	if err != nil {
		t.Fatal(err)
	}
	if shown == "" {
		t.Fatalf("%d power cuts did not show it", replayed)
	}
	t.Logf("power cut %d of %d shows it: %s", replayed, len(cuts), shown)
}
