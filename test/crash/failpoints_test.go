//go:build crash

package crash

import (
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"

	"github.com/dmthin/dmthin/test/vm/kernellog"
)

// TestTheDaemonMayFailAtEveryPoint has it die, panic and meet an error wherever
// a failpoint is: at work, while it sets up a pool, and, twice in a row, while
// it recovers. DMTHIN_POINTS is how many faults of each kind are tried; 0 takes
// all.
func TestTheDaemonMayFailAtEveryPoint(t *testing.T) {
	// What a deletion does that failed once it was done.
	for _, pattern := range []string{`Deletion of thin device \d+ failed`, `error adding target to table`} {
		requireNoError(t, kernellog.Expect(pattern))
	}
	prepared := preparedDisk(t)
	blank, err := blankDisk(t.Context(), "blank")
	requireNoError(t, err)
	defer blank.discard()
	first := seed(t)
	for _, kind := range []struct {
		name    string
		trace   func(*testing.T) []fault
		survive func(*testing.T, fault)
	}{
		{"at work", tracedWork(prepared), func(t *testing.T, f fault) { requireSurvived(t, prepared, f) }},
		{"in set-up", tracedSetUp(blank), func(t *testing.T, f fault) { requireSetUp(t, blank, f) }},
		{"in recovery of a creation", tracedRecovery(prepared, cutCreation), requireRecovered(prepared, cutCreation)},
		{"in recovery of a removal", tracedRecovery(prepared, cutRemoval), requireRecovered(prepared, cutRemoval)},
	} {
		all := kind.trace(t)
		t.Logf("%d faults %s", len(all), kind.name)
		for _, f := range someFaults(t, all, first) {
			t.Run(kind.name+"/"+f.String(), func(t *testing.T) {
				tallyOne(t, "failpoints hit "+kind.name)
				kind.survive(t, f)
			})
		}
	}
}

func someFaults(t *testing.T, all []fault, seed uint64) []fault {
	t.Helper()
	count, err := strconv.Atoi(variable("DMTHIN_POINTS", "0"))
	requireNoError(t, err)
	if count == 0 || count >= len(all) {
		return all
	}
	var faults []fault
	for _, n := range rand.New(rand.NewPCG(seed, 1)).Perm(len(all))[:count] {
		faults = append(faults, all[n])
	}
	return faults
}

// onCopy is onDisk with a copy.
func onCopy(t *testing.T, disk imageFile, do func()) {
	t.Helper()
	c, err := disk.copyTo("faulty")
	requireNoError(t, err)
	defer c.discard()
	onDisk(t, c, do)
}

// tracedWork finds the points that the work comes by.
func tracedWork(prepared imageFile) func(*testing.T) []fault {
	return func(t *testing.T) (faults []fault) {
		onCopy(t, prepared, func() {
			d, err := startDaemon(tracing)
			requireNoError(t, err)
			requireNoError(t, d.init())
			w := startWitness(t, d)
			since := d.hits()
			r := recorderAfter(before)
			at := work(d, r)
			w.stop(t, "tracing")
			if wrong := d.settled(t.Context(), expect(r.operations, at)); len(wrong) > 0 {
				t.Fatal(wrong)
			}
			faults = newFaults(since, d.hits())
			requireNoError(t, d.stop())
		})
		return faults
	}
}

// tracedSetUp finds the points that the making of a pool comes by.
func tracedSetUp(blank imageFile) func(*testing.T) []fault {
	return func(t *testing.T) (faults []fault) {
		onCopy(t, blank, func() {
			d, err := startDaemon(tracing)
			requireNoError(t, err)
			requireNoError(t, d.init())
			faults = newFaults(nil, d.hits())
			requireNoError(t, d.stop())
		})
		return faults
	}
}

func requireSetUp(t *testing.T, blank imageFile, f fault) {
	t.Helper()
	onCopy(t, blank, func() {
		failAtStart(t, f)
		verifyStarted(t, f.String(), nil, nil)
	})
}

// failAtStart runs a daemon that fails at its start or at Init.
func failAtStart(t *testing.T, f fault) {
	t.Helper()
	d, err := startDaemon(f.String())
	if err == nil {
		t.Logf("%s: Init says %v", f, d.init())
	}
	if !f.waitHit(d) {
		t.Errorf("%s was never reached: %v", f, err)
	}
	requireNoError(t, d.end(syscall.SIGKILL))
}
