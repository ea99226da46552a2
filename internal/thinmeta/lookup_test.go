package thinmeta

import (
	"errors"
	"testing"
)

func TestLookupFindsEachMappedBlockAndNoOther(t *testing.T) {
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
		next := uint64(0)
		mapped := 0
		err := r.Mappings(t.Context(), d.ID, func(m Mapping) error {
			if mapped++; mapped > 50 {
				return nil
			}
			if next < m.Virtual {
				if _, ok, err := r.Lookup(t.Context(), d.ID, next); ok || err != nil {
					t.Errorf("device %d, unmapped block %d: %t, %v", d.ID, next, ok, err)
				}
			}
			next = m.Virtual + 1
			if got, ok, err := r.Lookup(t.Context(), d.ID, m.Virtual); got != m || !ok || err != nil {
				t.Errorf("device %d, block %d: %+v, %t, %v; want %+v", d.ID, m.Virtual, got, ok, err, m)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := r.Lookup(t.Context(), 1<<20, 0); !errors.Is(err, ErrNoDevice) {
		t.Errorf("a device that isn't there: %v", err)
	}
}
