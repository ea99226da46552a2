//go:build dmtest

package main

import (
	"path/filepath"
	"testing"
	"time"
)

// While a check of the pool holds a metadata snapshot nobody can tell which blocks
// of a removed layer others have too; if all were discarded, a power cut would
// leave counts of shared ones wrong.
//
//vm:once
func TestARemovalWaitsForACheckBeforeItDiscards(t *testing.T) {
	h := &operatorHost{dir: t.TempDir(), discards: true}
	h.start(t)
	t.Cleanup(func() { h.stop(t) })
	h.create(t, "image", "")
	h.create(t, "container", "image")
	fill(t, filepath.Join(h.get(t, "container"), "file"), 4*mib)
	h.put(t, "container")
	release, err := h.d.current().metadata.hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.d.Remove(t.Context(), "container"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	st, err := h.client().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.Pool.DeferredDeletedDevices != 1 {
		t.Errorf("%d removed layers wait for the check, want 1", st.Pool.DeferredDeletedDevices)
	}
	if err := release(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.waitReclaimed(t)
	h.requireClean(t)
}
