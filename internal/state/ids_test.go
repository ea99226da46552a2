package state

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestTheFirstDeviceIDIsOne(t *testing.T) {
	if id, err := NewDeviceIDs(0).Allocate(); id != 1 || err != nil {
		t.Errorf("Allocate = %d, %v; want 1 as with Docker's driver", id, err)
	}
}

func TestAllocateNeverReturnsAnIDInUse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := NewDeviceIDs(rapid.Uint32Range(0, MaxDeviceID).Draw(t, "next"))
		used := map[uint32]bool{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if len(used) > 0 && rapid.Bool().Draw(t, "free") {
				for id := range used {
					ids.Free(id)
					delete(used, id)
					break
				}
				continue
			}
			id, err := ids.Allocate()
			if err != nil || used[id] || id == 0 || id > MaxDeviceID {
				t.Fatalf("Allocate = %d, %v; in use: %v", id, err, used[id])
			}
			used[id] = true
		}
	})
}

func TestAllocateWrapsAround(t *testing.T) {
	ids := NewDeviceIDs(MaxDeviceID)
	ids.Take(1)
	if id, err := ids.Allocate(); id != 2 || err != nil {
		t.Errorf("Allocate after the last ID = %d, %v; want 2", id, err)
	}
}

func TestAFullPoolOfIDsIsAnError(t *testing.T) {
	ids := NewDeviceIDs(0)
	ids.max = 2
	ids.Take(1)
	ids.Take(2)
	if _, err := ids.Allocate(); !errors.Is(err, ErrNoDeviceID) {
		t.Errorf("Allocate = %v", err)
	}
}
