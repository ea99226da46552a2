package layer

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/thinpool"
)

// A pool that can't read its metadata is still called writable by its status.
func TestAPoolThatFailsAtAChangeIsAProblemUntilItMakesOne(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	w.failOn("create_snap", unix.EIO)
	mustFail(t, d.Create(t.Context(), "a", "", 0), unix.EIO)
	w.failOn("", nil)
	mustFail(t, d.Ready(t.Context()), unix.EIO)
	if problems(t, d) == "" {
		t.Error("no problem is told")
	}
	create(t, d, "b", "")
	must(t, d.Ready(t.Context()))
}

// A device that was made all the same would stay in the pool for good, since no
// record knows it.
func TestACreationThatFailedOnceItWasMadeLeavesNoDevice(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	devices := w.count()
	w.lost = unix.EIO
	mustFail(t, d.Create(t.Context(), "b", "a", 0), unix.EIO)
	w.requireCount(t, devices)
	w.lost = nil
	create(t, d, "b", "a")
}

func TestADeviceThatCouldNotBeTakenBackIsByTheNextChange(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	devices := w.count()
	w.lost = unix.EIO
	w.failOn("delete", unix.EIO)
	mustFail(t, d.Create(t.Context(), "b", "a", 0), unix.EIO)
	mustFail(t, d.Create(t.Context(), "b", "a", 0), unix.EIO)
	w.lost = nil
	w.failOn("", nil)
	create(t, d, "b", "a")
	w.requireCount(t, devices+1)
}

func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.devices)
}

func (w *world) requireCount(t *testing.T, want int) {
	t.Helper()
	if got := w.count(); got != want {
		t.Errorf("%d devices are in the pool, want %d", got, want)
	}
}

// addOthers makes devices that no transaction of ours made, where none are.
func (w *world) addOthers(below thinpool.DeviceID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range below {
		if _, ours := w.devices[id]; !ours {
			w.devices[id] = thinDev{made: w.tid + 7}
		}
	}
}

// Somebody else may have made a device of that ID since the daemon's start.
func TestACreationThatFailedTouchesNoOtherDevice(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	w.addOthers(16)
	devices := w.count()
	w.failOn("create_snap", unix.EIO)
	mustFail(t, d.Create(t.Context(), "b", "", 0), unix.EIO)
	w.requireCount(t, devices)
}

func TestATransactionThatIsSetCountsWhateverTheCallSays(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	w.unsaid = unix.EIO
	create(t, d, "a", "")
	w.unsaid = nil
	create(t, d, "b", "a")
}
