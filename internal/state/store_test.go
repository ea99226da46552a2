package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func load(t *testing.T, s *Store) Records {
	t.Helper()
	found, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func put(t *testing.T, s *Store, name string, r Record) {
	t.Helper()
	if err := s.Put(name, r); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, s *Store, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.metadata, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsAreDockersJSON(t *testing.T) {
	s := open(t)
	put(t, s, "abc", Record{DeviceID: 7, Size: 10 << 30, TransactionID: 3})
	if err := s.WriteIntent(Intent{OpenTransactionID: 3, Name: "abc", DeviceID: 7}); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteDeviceSet(DeviceSet{NextDeviceID: 7, BaseUUID: "u", BaseFilesystem: "ext4"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"abc":                  `{"device_id":7,"size":10737418240,"transaction_id":3,"initialized":false,"deleted":false}`,
		"transaction-metadata": `{"open_transaction_id":3,"device_hash":"abc","device_id":7}`,
		"deviceset-metadata":   `{"next_device_id":7,"BaseDeviceUUID":"u","BaseDeviceFilesystem":"ext4"}`,
	} {
		got, err := os.ReadFile(filepath.Join(s.metadata, name))
		if err != nil || strings.TrimRight(string(got), " ") != string(seal([]byte(want))) {
			t.Errorf("%s = %s, %v; Docker's driver writes %s, and we a checksum", name, got, err, want)
		}
	}
}

func TestRecordsSurviveReopening(t *testing.T) {
	s := open(t)
	want := Record{DeviceID: 2, Size: 4096, TransactionID: 9, Parent: "p", Stage: StageApplying, Root: "x", Limit: 5}
	put(t, s, "layer", want)
	dir := s.Dir()
	s.Close()
	again, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if diff := cmp.Diff(map[string]Record{"layer": want}, load(t, again).Layers); diff != "" {
		t.Error(diff)
	}
}

func TestASecondDaemonOnTheSameStateIsRefused(t *testing.T) {
	s := open(t)
	if _, err := Open(s.Dir()); !errors.Is(err, ErrLocked) {
		t.Fatalf("Open of a directory in use = %v, want ErrLocked", err)
	}
	s.Close()
	again, err := Open(s.Dir())
	if err != nil {
		t.Fatalf("Open after the first daemon's end: %v", err)
	}
	again.Close()
}

func TestWhatIsNotARecordIsSkipped(t *testing.T) {
	s := open(t)
	put(t, s, "layer", Record{DeviceID: 1, Size: 512})
	write(t, s, ".hidden", "junk")
	write(t, s, "json.migrated", "junk")
	found := load(t, s)
	if len(found.Layers) != 1 || len(found.Damaged) != 0 {
		t.Errorf("Load = %+v", found)
	}
}

func TestUnfinishedWritesAreRemovedAtOpen(t *testing.T) {
	s := open(t)
	write(t, s, tempPrefix+"123", "half")
	s.Close()
	again, err := Open(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if left, _ := filepath.Glob(filepath.Join(again.metadata, tempPrefix+"*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDamagedRecordsAreNamedAndTheRestIsServed(t *testing.T) {
	for what, content := range map[string]string{
		"empty":         "",
		"cut":           `{"device_id":5,"si`,
		"garbage":       "\x00\xff\x13",
		"wrong type":    `{"device_id":"five","size":512}`,
		"huge ID":       `{"device_id":16777216,"size":512}`,
		"no size":       `{"device_id":5}`,
		"unknown stage": `{"device_id":5,"size":512,"stage":"odd"}`,
		"root outside":  `{"device_id":5,"size":512,"root":"../x"}`,
	} {
		t.Run(what, func(t *testing.T) {
			s := open(t)
			put(t, s, "good", Record{DeviceID: 1, Size: 512})
			write(t, s, "bad", content)
			found := load(t, s)
			if _, ok := found.Layers["good"]; !ok {
				t.Error("the good record is not served")
			}
			err := found.Damaged["bad"]
			var damage *DamagedError
			if !errors.As(err, &damage) || !strings.Contains(err.Error(), filepath.Join(s.metadata, "bad")) {
				t.Errorf("damage of the bad record = %v, want one that names the file", err)
			}
		})
	}
}

func TestRecordsThatClaimOneDeviceAreBothDamaged(t *testing.T) {
	s := open(t)
	put(t, s, "a", Record{DeviceID: 4, Size: 512})
	put(t, s, "b", Record{DeviceID: 4, Size: 512})
	put(t, s, "c", Record{DeviceID: 5, Size: 512})
	found := load(t, s)
	if len(found.Layers) != 1 || found.Damaged["a"] == nil || found.Damaged["b"] == nil {
		t.Errorf("Load = %+v", found)
	}
}

func TestABurialThatFailsLeavesTheLayer(t *testing.T) {
	s := open(t)
	r := Record{DeviceID: 1, Size: 4096}
	put(t, s, "a", r)
	inTheWay := filepath.Join(s.metadata, TombstoneName("a", 1))
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Bury("a", r); err == nil {
		t.Error("a record took the place of a folder")
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if got := load(t, s).Layers["a"]; got != r {
		t.Errorf("the record is %+v, want %+v", got, r)
	}
}

func TestBuryFreesTheNameAndKeepsTheDevice(t *testing.T) {
	s := open(t)
	r := Record{DeviceID: 4, Size: 512}
	put(t, s, "a", r)
	name, err := s.Bury("a", r)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", Record{DeviceID: 5, Size: 512}) // the name is free
	found := load(t, s)
	if found.Layers["a"].DeviceID != 5 || found.Tombstones[name].DeviceID != 4 || !found.Tombstones[name].Deleted {
		t.Errorf("Load = %+v", found)
	}
}

func TestARemovalCutShortIsFinishedAtLoad(t *testing.T) {
	s := open(t)
	put(t, s, "a", Record{DeviceID: 4, Size: 512})
	put(t, s, TombstoneName("a", 4), Record{DeviceID: 4, Size: 512, Deleted: true})
	found := load(t, s)
	if len(found.Layers) != 0 || len(found.Tombstones) != 1 || len(found.Damaged) != 0 {
		t.Errorf("Load = %+v", found)
	}
	if _, err := os.Stat(filepath.Join(s.metadata, "a")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the layer's record is still there: %v", err)
	}
}

// The disk may have the tombstone's name before the mark in its content.
func TestATombstoneIsOneByItsName(t *testing.T) {
	s := open(t)
	put(t, s, TombstoneName("a", 4), Record{DeviceID: 4, Size: 512})
	found := load(t, s)
	if len(found.Layers) != 0 || found.Tombstones[TombstoneName("a", 4)].DeviceID != 4 {
		t.Errorf("Load = %+v", found)
	}
}

func TestARecordShorterThanItsTombstoneIsBuriedToo(t *testing.T) {
	s := open(t)
	short := `{"device_id":4,"size":512}`
	if err := os.WriteFile(filepath.Join(s.metadata, "a"), []byte(short), 0o600); err != nil {
		t.Fatal(err)
	}
	name, err := s.Bury("a", load(t, s).Layers["a"])
	if err != nil {
		t.Fatal(err)
	}
	found := load(t, s)
	if len(found.Layers) != 0 || !found.Tombstones[name].Deleted {
		t.Errorf("Load = %+v", found)
	}
}

func TestAnAddedRecordIsThere(t *testing.T) {
	s := open(t)
	want := Record{DeviceID: 4, Size: 512, TransactionID: 9}
	if err := s.Add("a", want); err != nil {
		t.Fatal(err)
	}
	if got := load(t, s).Layers["a"]; got != want {
		t.Errorf("Load = %+v", got)
	}
}

func TestLayersThatDockerMarkedDeletedFreeTheirName(t *testing.T) {
	s := open(t)
	put(t, s, "a", Record{DeviceID: 4, Size: 512, Deleted: true})
	found := load(t, s)
	if len(found.Layers) != 0 || found.Tombstones[TombstoneName("a", 4)].DeviceID != 4 {
		t.Errorf("Load = %+v", found)
	}
}

func TestDeleteOfAMissingRecordIsASuccess(t *testing.T) {
	if err := open(t).Delete("nothing"); err != nil {
		t.Error(err)
	}
}

func TestNothingWrittenYetIsNotAnError(t *testing.T) {
	s := open(t)
	if _, ok, err := s.Intent(); ok || err != nil {
		t.Errorf("Intent = %v, %v", ok, err)
	}
	if _, ok, err := s.DeviceSet(); ok || err != nil {
		t.Errorf("DeviceSet = %v, %v", ok, err)
	}
	if empty, err := s.Empty(); !empty || err != nil {
		t.Errorf("Empty = %v, %v", empty, err)
	}
	put(t, s, "a", Record{DeviceID: 1, Size: 512})
	if empty, err := s.Empty(); empty || err != nil {
		t.Errorf("Empty with a record = %v, %v", empty, err)
	}
}

func TestIdentityStaysAndADamagedOneIsRefused(t *testing.T) {
	s := open(t)
	first, err := s.Identity()
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Identity()
	if err != nil || first != second {
		t.Errorf("second Identity = %v, %v; first %v", second, err, first)
	}
	path := filepath.Join(s.Dir(), identityName)
	if err := os.WriteFile(path, []byte(`{"pool_id":"../../x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var damage *DamagedError
	if _, err := s.Identity(); !errors.As(err, &damage) {
		t.Errorf("Identity = %v, want a DamagedError", err)
	}
}

func TestReservedNamesAreRefused(t *testing.T) {
	for _, name := range []string{"", "base", "transaction-metadata", "deviceset-metadata", ".x", "..", "x.migrated", "x-deleted-3", "a/b", "a\x00b", strings.Repeat("x", 201)} {
		if CheckName(name) == nil {
			t.Errorf("CheckName(%q) accepts it", name)
		}
	}
	for _, name := range []string{strings.Repeat("a", 64) + "-init", "x2w4yk1vz0ab3cd5ef6gh7ij8", "x-deleted-", "pool"} {
		if err := CheckName(name); err != nil {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
}

func TestWhatACrashLeftOfAWriteOrARestoreIsRemoved(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(dir, "metadata", "layer")
	for _, path := range []string{
		filepath.Join(dir, "metadata", ".tmp-1"), filepath.Join(dir, ".tmp-2"),
		filepath.Join(dir, ".tmp-restore-3", "layer"), kept,
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, pattern := range []string{".tmp-*", "metadata/.tmp-*"} {
		if left, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}
