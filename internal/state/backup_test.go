package state

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestARestoreBringsBackWhatWasCopiedAndKeepsWhatWasThere(t *testing.T) {
	s := open(t)
	if _, err := s.Identity(); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", Record{DeviceID: 4, Size: 512})
	if err := s.WriteIntent(Intent{OpenTransactionID: 3, Name: "a", DeviceID: 4, Op: OpCreate}); err != nil {
		t.Fatal(err)
	}
	files, err := s.Copy()
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "b", Record{DeviceID: 5, Size: 512})
	if err := os.Remove(filepath.Join(s.Dir(), identityName)); err != nil {
		t.Fatal(err)
	}
	old, err := s.Restore(files, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Copy()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, again); diff != "" {
		t.Errorf("-copied +restored: %s", diff)
	}
	if _, err := os.Stat(filepath.Join(old, "b")); err != nil {
		t.Errorf("the records from before the restore are gone: %v", err)
	}
}

func TestARestoreWritesNothingOutsideTheRecords(t *testing.T) {
	for _, path := range []string{"metadata/../x", "metadata/.hidden", "metadata/"} {
		s := open(t)
		put(t, s, "a", Record{DeviceID: 4, Size: 512})
		if _, err := s.Restore(map[string][]byte{path: nil}, time.Now()); !errors.Is(err, ErrNotABackup) {
			t.Errorf("Restore of %q = %v", path, err)
		}
		if len(load(t, s).Layers) != 1 {
			t.Errorf("a refused Restore of %q changed the records", path)
		}
	}
}

func TestAScanSeesBurialsAndFinishesNone(t *testing.T) {
	s := open(t)
	put(t, s, "a", Record{DeviceID: 4, Size: 512})
	put(t, s, TombstoneName("a", 4), Record{DeviceID: 4, Size: 512, Deleted: true})
	put(t, s, "b", Record{DeviceID: 5, Size: 512, Deleted: true})
	before, err := s.Copy()
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.Scan()
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Layers) != 0 || len(found.Tombstones) != 2 || len(found.Damaged) != 0 {
		t.Errorf("Scan = %+v", found)
	}
	after, err := s.Copy()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("Scan changed the records: %s", diff)
	}
}
