package thinmeta

import (
	"errors"
	"testing"
)

// requireSharing compares what the space maps say of each device with what all
// devices' mappings do.
func requireSharing(t *testing.T, r *Reader, uses map[uint32]Use) {
	t.Helper()
	for id, use := range uses {
		own, last := uint64(0), -1
		err := r.Sharing(t.Context(), id, func(virtual uint64, shared bool) error {
			if int(virtual) <= last {
				t.Errorf("device %d: block %d after block %d", id, virtual, last)
			}
			last = int(virtual)
			if !shared {
				own++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if own != use.Exclusive {
			t.Errorf("device %d: %d blocks of its own, want %d", id, own, use.Exclusive)
		}
	}
}

func TestSharingIsNotToldWhileASnapshotRefersToAll(t *testing.T) {
	r := &Reader{superblock: Superblock{HeldRoot: 7}}
	if err := r.sharing(t.Context(), 0, nil); !errors.Is(err, errHeld) {
		t.Errorf("got %v", err)
	}
}
