//go:build crash

package crash

import (
	"syscall"
	"testing"
)

// cutChange is a change that a crash cuts short, for the next start to recover from.
type cutChange struct {
	operation operation
	at        fault
}

var (
	cutCreation = cutChange{operation{verb: create, layer: "cut", parent: "old"}, fault{point: "settransaction.before", action: "kill"}}
	cutRemoval  = cutChange{operation{verb: remove, layer: "old"}, fault{point: "settransaction.before", action: "kill"}}
)

// crash leaves a pool with an open change.
func (c cutChange) crash(t *testing.T) *recorder {
	t.Helper()
	r := recorderAfter(before)
	d, err := startDaemon(c.at.String())
	requireNoError(t, err)
	requireNoError(t, d.init())
	t.Logf("%s: %v", c.operation, r.perform(d, c.operation))
	if !c.at.waitHit(d) {
		t.Fatalf("%s was never reached", c.at)
	}
	<-d.exited
	return r
}

// tracedRecovery finds the points that the recovery comes by.
func tracedRecovery(prepared imageFile, c cutChange) func(*testing.T) []fault {
	return func(t *testing.T) (faults []fault) {
		onCopy(t, prepared, func() {
			c.crash(t)
			d, err := startDaemon(tracing)
			requireNoError(t, err)
			requireNoError(t, d.init())
			faults = newFaults(nil, d.hits())
			requireNoError(t, d.stop())
		})
		return faults
	}
}

// requireRecovered fails twice while it recovers.
func requireRecovered(prepared imageFile, c cutChange) func(*testing.T, fault) {
	return func(t *testing.T, f fault) {
		onCopy(t, prepared, func() {
			r := c.crash(t)
			failAtStart(t, f)
			failAgain(t, f)
			verifyStarted(t, f.String(), r.operations, r.progress())
		})
	}
}

// failAgain is failAtStart where the first failure may have left less to do.
func failAgain(t *testing.T, f fault) {
	t.Helper()
	d, err := startDaemon(f.String())
	if err == nil {
		t.Logf("the second time Init says %v", d.init())
	}
	requireNoError(t, d.end(syscall.SIGKILL))
}

// verifyStarted is verifyAgain where no container runs.
func verifyStarted(t *testing.T, name string, operations []operation, at []progress) {
	t.Helper()
	d := started(t)
	defer func() { sweep(t, d) }()
	for _, line := range d.verify(t.Context(), operations, at) {
		t.Errorf("%s: %s", name, line)
	}
	requireNoError(t, d.stop())
}
