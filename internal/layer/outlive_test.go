package layer

import (
	"io"
	"strings"
	"testing"
)

// Cleanup and an Init with other options wait for calls, but not for ever.
func TestACallThatOutlivesItsStoreChangesNoRecords(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	next := d
	w.before = func(call string) error {
		if call != "apply a" {
			return nil
		}
		w.failOn("", nil)
		must(t, d.Shutdown(t.Context()))
		must(t, d.records.Close())
		next = w.mustStart(t)
		must(t, next.Remove(t.Context(), "a"))
		next.settled(t)
		return nil
	}
	if _, err := d.ApplyDiff(t.Context(), "a", strings.NewReader("tar")); err == nil {
		t.Error("the unpacking has succeeded, though its layer is gone")
	}
	next.kill()
	d = w.mustStart(t)
	if d.Exists("a") {
		t.Error("the removed layer is back")
	}
}

func TestACallThatOutlivesItsStoreUnmountsNothingOfTheNext(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	dir := ""
	w.before = func(call string) error {
		if call != "write_all" {
			return nil
		}
		w.failOn("", nil)
		must(t, d.Shutdown(t.Context()))
		must(t, d.records.Close())
		dir = get(t, w.mustStart(t), "a")
		return nil
	}
	if err := d.Diff(t.Context(), "a", "", io.Discard); err == nil {
		t.Error("the stream of a layer that was unmounted has ended well")
	}
	if !w.mountedAt(strings.TrimSuffix(dir, "/rootfs")) {
		t.Error("a container's layer was unmounted")
	}
}
