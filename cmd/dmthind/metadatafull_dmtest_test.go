//go:build dmtest

package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/thinpool"
	"github.com/dmthin/dmthin/plugin"
	"github.com/dmthin/dmthin/test/vm/kernellog"
)

// Without a daemon nobody could make the metadata file larger. The pool may be
// active from before the start, or be made active by it.
//
//vm:once
func TestAPoolWithoutRoomForMetadataIsTakenUpReadAndEnlarged(t *testing.T) {
	if err := kernellog.Expect(`reserve_metadata_snap`); err != nil {
		t.Fatal(err)
	}
	h := &operatorHost{dir: t.TempDir(), metadataSize: "2MB"}
	h.start(t)
	t.Cleanup(func() { h.stop(t) })
	h.create(t, "image", "")
	sum := fill(t, filepath.Join(h.get(t, "image"), "file"), mib)
	h.put(t, "image")
	h.create(t, "gone", "") // a child would share what each mount for writing writes to
	strangers := h.fillMetadata(t)
	if err := h.d.Remove(t.Context(), "gone"); err != nil { // its deletion is cut short
		t.Fatal(err)
	}

	h.stop(t)
	h.start(t)
	h.requireNoRoomForMetadata(t)
	h.requireContent(t, sum)
	h.get(t, "image")
	if err := h.d.stop(); err != nil {
		t.Fatal(err)
	}
	h.start(t)
	h.requireNoRoomForMetadata(t)
	h.requireContent(t, sum)

	if _, err := h.client().Resize(t.Context(), admin.ResizeRequest{Metadata: 16 * mib}, nil); err != nil {
		t.Fatal(err)
	}
	if err := h.client().Healthy(t.Context()); err != nil {
		t.Errorf("not ready with more metadata: %v", err)
	}
	h.create(t, "child", "image")
	h.waitReclaimed(t)
	for _, id := range strangers {
		if err := h.d.current().pool.Delete(t.Context(), id); err != nil && !errors.Is(err, thinpool.ErrNoDevice) {
			t.Fatal(err)
		}
	}
	h.requireContent(t, sum)
	h.requireClean(t)
}

// fillMetadata makes empty devices, one block each, until there is no room for
// another.
func (h *operatorHost) fillMetadata(t *testing.T) (made []thinpool.DeviceID) {
	t.Helper()
	for id := thinpool.DeviceID(1000); id < 3000; id++ {
		if err := h.d.current().pool.CreateThin(t.Context(), id); err != nil {
			t.Logf("after %d devices: %v", len(made), err)
			h.requireMode(t, thinpool.ModeReadOnly)
			return made
		}
		made = append(made, id)
	}
	t.Fatal("the metadata never got full")
	return nil
}

func (h *operatorHost) requireNoRoomForMetadata(t *testing.T) {
	t.Helper()
	h.requireMode(t, thinpool.ModeReadOnly)
	const what = "dmthin resize --metadata"
	if err := h.client().Healthy(t.Context()); err == nil || !strings.Contains(err.Error(), what) {
		t.Errorf("readyz: %v", err)
	}
	status, err := h.client().Status(t.Context())
	if err != nil || !strings.Contains(strings.Join(status.Problems, "\n"), what) {
		t.Errorf("status: %q, %v", status.Problems, err)
	}
	layers, err := h.client().Layers(t.Context())
	if err != nil || len(layers) != 1 || layers[0].Mapped < mib {
		t.Errorf("layers: %+v, %v", layers, err)
	}
	check, err := h.client().Check(t.Context(), admin.CheckRequest{}, nil)
	if err != nil || check.MetadataChecked || check.Devices < 100 {
		t.Errorf("check: %+v, %v", check, err)
	}
	err = h.d.Create(t.Context(), plugin.CreateRequest{ID: "child", Parent: "image"})
	if !errors.Is(err, thinpool.ErrOutOfMetadataSpace) {
		t.Errorf("Create = %v", err)
	}
}
