//go:build dmtest

package main

import (
	"path/filepath"
	"testing"

	"github.com/dmthin/dmthin/internal/admin"
)

//vm:once
func TestTheListTellsWhatRemovingEachLayerGivesBack(t *testing.T) {
	h := newOperatorHost(t)
	h.create(t, "image", "")
	fill(t, filepath.Join(h.get(t, "image"), "shared"), 8*mib)
	h.put(t, "image")
	for id, size := range map[string]int{"small": 1 * mib, "large": 4 * mib} {
		h.create(t, id, "image")
		fill(t, filepath.Join(h.get(t, id), "own"), size)
		if id == "small" {
			h.put(t, id) // the other one stays mounted
		}
	}
	layers, err := h.client().Layers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// An ext4 writes some blocks of its own: its journal, bitmaps, inode tables.
	const own = 2 * mib
	for _, l := range layers {
		want, ok := map[string]int64{"image": 0, "small": 1 * mib, "large": 4 * mib}[l.ID]
		if !ok {
			t.Errorf("layer %s", l.ID)
		}
		if l.Exclusive < want || l.Exclusive > want+own {
			t.Errorf("%s: %d bytes are its own, want %d and not much more", l.ID, l.Exclusive, want)
		}
		if l.Mapped < want+8*mib {
			t.Errorf("%s: %d bytes mapped, less than what was written and inherited", l.ID, l.Mapped)
		}
	}
	h.put(t, "large")
	before := h.d.current().dataUsed(t)
	small, err := h.client().Layer(t.Context(), "small")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.d.Remove(t.Context(), "small"); err != nil {
		t.Fatal(err)
	}
	h.waitReclaimed(t)
	if freed := before - h.d.current().dataUsed(t); freed != small.Exclusive {
		t.Errorf("removing the layer gave back %d bytes, the list said %d", freed, small.Exclusive)
	}
	if small.Mapped == admin.MappedUnknown {
		t.Error("one layer's answer leaves out what the list's has")
	}
}

func (i *instance) dataUsed(t *testing.T) int64 {
	t.Helper()
	u, err := i.usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return u.dataUsed
}
