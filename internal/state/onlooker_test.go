package state

import (
	"errors"
	"io/fs"
	"testing"
	"time"
)

func TestAnOnlookerMakesNoIdentity(t *testing.T) {
	s := open(t)
	for range 2 {
		if id, ok, err := s.KnownIdentity(); ok || err != nil {
			t.Fatalf("KnownIdentity of a new state = %v, %v, %v", id, ok, err)
		}
	}
	made, err := s.Identity()
	if err != nil {
		t.Fatal(err)
	}
	if id, ok, err := s.KnownIdentity(); id != made || !ok || err != nil {
		t.Errorf("KnownIdentity = %v, %v, %v; want %v", id, ok, err, made)
	}
}

func TestARecordTellsWhenItWasWritten(t *testing.T) {
	s := open(t)
	if _, err := s.Changed("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Changed of no record: %v", err)
	}
	begin := time.Now().Add(-time.Second) // a filesystem's clock is coarser
	put(t, s, "a", Record{DeviceID: 4, Size: 512})
	if when, err := s.Changed("a"); err != nil || when.Before(begin) || when.After(time.Now().Add(time.Second)) {
		t.Errorf("Changed = %v, %v", when, err)
	}
}

func TestALayerLiesInRootfsUnlessItsRecordSaysOtherwise(t *testing.T) {
	for root, want := range map[string]string{"": "rootfs", "fs": "fs"} {
		if got := (Record{Root: root}).RootDir(); got != want {
			t.Errorf("root %q: %s", root, got)
		}
	}
}

func TestDeviceIDsGoOnFromWhereTheyWere(t *testing.T) {
	ids := NewDeviceIDs(7)
	id, err := ids.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	again := NewDeviceIDs(ids.Next())
	again.Take(id)
	if next, err := again.Allocate(); err != nil || next == id {
		t.Errorf("after %d comes %d, %v", id, next, err)
	}
}
