//go:build dmtest

package crash

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTheClockMayBeSetBack sets it back by a day and starts the daemon again:
// records and layers are from the future then.
//
//vm:once
//vm:long
func TestTheClockMayBeSetBack(t *testing.T) {
	onDisk(t, preparedDisk(t), func() {
		d := started(t)
		defer func() { sweep(t, d) }()
		r := recorderAfter(before)
		defer shiftClock(t, 24*time.Hour)
		shiftClock(t, -24*time.Hour)
		for _, o := range []operation{
			{verb: create, layer: "child", parent: "old"},
			{verb: write, layer: "child", files: map[string]string{"y": "2"}},
			{verb: create, layer: "filled"},
			{verb: fill, layer: "filled", files: map[string]string{"z": "3"}},
		} {
			requireNoError(t, r.perform(d, o))
		}
		var answer struct{ Changes []struct{ Path string } }
		requireNoError(t, d.Call("Changes", map[string]string{"ID": "child", "Parent": "old"}, &answer))
		if len(answer.Changes) != 1 || answer.Changes[0].Path != "/y" {
			t.Errorf("the changes are %v", answer.Changes)
		}
		requireNoError(t, d.end(unix.SIGKILL))
		d = started(t)
		for _, line := range d.verify(t.Context(), r.operations, r.progress()) {
			t.Error(line)
		}
		requireNoError(t, d.stop())
	})
}

func shiftClock(t *testing.T, by time.Duration) {
	t.Helper()
	var now unix.Timespec
	requireNoError(t, unix.ClockGettime(unix.CLOCK_REALTIME, &now))
	shifted := unix.NsecToTimespec(now.Nano() + by.Nanoseconds())
	requireNoError(t, unix.ClockSettime(unix.CLOCK_REALTIME, &shifted))
}
