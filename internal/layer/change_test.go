package layer

import (
	"testing"

	"golang.org/x/sys/unix"
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
