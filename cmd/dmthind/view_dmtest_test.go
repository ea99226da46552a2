//go:build dmtest

package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/filesystem"
)

// This is what dmthin mount and unmount do.
func TestAnOperatorsMountIsFoundAgainByItsDevice(t *testing.T) {
	h := newOperatorHost(t)
	h.create(t, "image", "")
	c, dir := h.client(), t.TempDir()
	held, err := c.Hold(t.Context(), "image", admin.HoldRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if err := filesystem.MountView(t.Context(), held.Device, dir, filesystem.Type(held.Filesystem), false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, held.Root)); err != nil {
		t.Error(err)
	}
	layer, err := c.Layer(t.Context(), "image")
	if err != nil {
		t.Fatal(err)
	}
	if err := filesystem.UnmountView(t.Context(), layer.DeviceName+"0", dir); !errors.Is(err, filesystem.ErrOtherMount) {
		t.Errorf("another layer's: %v", err)
	}
	if err := filesystem.UnmountView(t.Context(), layer.DeviceName, dir); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("still there: %v, %v", left, err)
	}
	if err := c.Release(t.Context(), "image"); err != nil {
		t.Error(err)
	}
}
