package thinmeta

import (
	"errors"
	"testing"
)

func TestVolumeFindsEachMappedBlockAndNoOther(t *testing.T) {
	r, err := Open(goldenPool(t).file(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	devices, err := r.Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		volume, err := r.Volume(t.Context(), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		next := uint64(0)
		mapped := 0
		err = r.Mappings(t.Context(), d.ID, func(m Mapping) error {
			if mapped++; mapped > 50 {
				return nil
			}
			if next < m.Virtual {
				if got, err := volume.Block(t.Context(), next); got != Unmapped || err != nil {
					t.Errorf("device %d, unmapped block %d: %d, %v", d.ID, next, got, err)
				}
			}
			next = m.Virtual + 1
			if got, err := volume.Block(t.Context(), m.Virtual); got != m.Data || err != nil {
				t.Errorf("device %d, block %d: %d, %v; want %d", d.ID, m.Virtual, got, err, m.Data)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Volume(t.Context(), 1<<20); !errors.Is(err, ErrNoDevice) {
		t.Errorf("a device that isn't there: %v", err)
	}
}
