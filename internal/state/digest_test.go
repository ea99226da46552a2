package state

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// old makes a file's last change old enough to be told from the next one, with
// what the filesystem notes of it: nobody can set that.
func old(t *testing.T, s *Store, name string) {
	t.Helper()
	for dir := openDir(t, s); ; time.Sleep(settled / 10) {
		if _, ok := printOf(dir, name); ok {
			return
		}
	}
}

func openDir(t *testing.T, s *Store) *os.File {
	t.Helper()
	dir, err := os.Open(s.metadata)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

// reopened closes a store that was loaded, lets change happen, and loads it again
// when that is so old that a digest would be believed.
func reopened(t *testing.T, s *Store, change func()) (again *Store, found Records) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	change()
	entries, err := list(s.metadata)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if isRecord(e) {
			old(t, s, e.Name())
		}
	}
	again, err = Open(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Close() })
	return again, load(t, again)
}

// digestedStore has three records that its digest will know.
func digestedStore(t *testing.T) (*Store, map[string]Record) {
	t.Helper()
	s := open(t)
	records := map[string]Record{
		"a": {DeviceID: 1, Size: 1 << 30, Parent: "base"}, "b": {DeviceID: 2, Size: 1 << 30}, "c": {DeviceID: 3, Size: 1 << 30},
	}
	for name, r := range records {
		put(t, s, name, r)
	}
	for name := range records {
		old(t, s, name)
	}
	load(t, s)
	return s, records
}

func TestRecordsThatNobodyTouchedAreKnownWithoutTheirFiles(t *testing.T) {
	t.Parallel()
	s, want := digestedStore(t)
	// A digest that lies shows whom the start asks.
	lie := want["a"]
	lie.Size = 5 << 30
	known := s.digest["a"]
	known.Record = lie
	s.digest["a"] = known
	want["a"] = lie
	_, found := reopened(t, s, func() {})
	if diff := cmp.Diff(want, found.Layers); diff != "" {
		t.Error(diff)
	}
}

func TestADigestIsGoneWhileRecordsMayChange(t *testing.T) {
	t.Parallel()
	s, _ := digestedStore(t)
	s, _ = reopened(t, s, func() {
		if _, err := os.Stat(filepath.Join(s.Dir(), digestName)); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(filepath.Join(s.Dir(), digestName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the digest is there after Load: %v", err)
	}
}

// Each change leaves the size as it is, and the time of modification where that
// can be set.
func TestARecordThatWasTouchedCountsAsItsFileSays(t *testing.T) {
	t.Parallel()
	changed := Record{DeviceID: 1, Size: 2 << 30, Parent: "base"}
	content, err := encode("a", changed)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(path string) error{
		"in place": func(path string) error { return os.WriteFile(path, content, 0o600) },
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+".new", content, 0o600), os.Rename(path+".new", path))
		},
		"with its old time": func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			return errors.Join(os.WriteFile(path, content, 0o600), os.Chtimes(path, info.ModTime(), info.ModTime()))
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, want := digestedStore(t)
			_, found := reopened(t, s, func() {
				if err := change(filepath.Join(s.metadata, "a")); err != nil {
					t.Error(err)
				}
			})
			want["a"] = changed
			if diff := cmp.Diff(want, found.Layers); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRecordsThatCameAndWentAreSeenBesideADigest(t *testing.T) {
	t.Parallel()
	s, want := digestedStore(t)
	_, found := reopened(t, s, func() {
		write(t, s, "new", `{"device_id":9,"size":4096}`)
		write(t, s, "b", `{"device_id":`)
		if err := os.Remove(filepath.Join(s.metadata, "c")); err != nil {
			t.Error(err)
		}
	})
	delete(want, "b")
	delete(want, "c")
	want["new"] = Record{DeviceID: 9, Size: 4096}
	if diff := cmp.Diff(want, found.Layers); diff != "" {
		t.Error(diff)
	}
	if found.Damaged["b"] == nil || len(found.Damaged) != 1 {
		t.Errorf("damaged: %v", found.Damaged)
	}
}

// Docker's driver, say, or an earlier dmthin worked on the records, and a new
// dmthin comes upon the digest from before.
func TestAnOldDigestHidesNothing(t *testing.T) {
	t.Parallel()
	s, want := digestedStore(t)
	var stale []byte
	s, _ = reopened(t, s, func() {
		var err error
		if stale, err = os.ReadFile(filepath.Join(s.Dir(), digestName)); err != nil {
			t.Error(err)
		}
	})
	tombstone, err := s.Bury("a", want["a"])
	if err != nil {
		t.Fatal(err)
	}
	want["b"] = Record{DeviceID: 2, Size: 7 << 30}
	put(t, s, "b", want["b"])
	_, found := reopened(t, s, func() {
		if err := os.WriteFile(filepath.Join(s.Dir(), digestName), stale, 0o600); err != nil {
			t.Error(err)
		}
	})
	buried := want["a"]
	buried.Deleted = true
	delete(want, "a")
	if diff := cmp.Diff(want, found.Layers); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]Record{tombstone: buried}, found.Tombstones); diff != "" {
		t.Error(diff)
	}
}

// Two changes in one tick of the clock leave a file with the same times.
func TestARecordWrittenJustNowIsNotDigested(t *testing.T) {
	t.Parallel()
	s, _ := digestedStore(t)
	put(t, s, "young", Record{DeviceID: 9, Size: 1 << 30})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, slices.Sorted(maps.Keys(s.digest))); diff != "" {
		t.Error(diff)
	}
}

func TestADigestThatIsNotWholeOrOfOtherKeysIsLeftAside(t *testing.T) {
	t.Parallel()
	for what, spoil := range map[string]func(data []byte) []byte{
		"empty":         func([]byte) []byte { return nil },
		"cut short":     func(data []byte) []byte { return data[:len(data)/2] },
		"a flipped bit": func(data []byte) []byte { data[len(data)-3] ^= 1; return data },
		"other keys":    func(data []byte) []byte { return reshaped(data) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, want := digestedStore(t)
			lying := maps.Clone(s.digest)
			for name, known := range lying {
				known.Record.Size = 5 << 30
				s.digest[name] = known
			}
			_, found := reopened(t, s, func() {
				path := filepath.Join(s.Dir(), digestName)
				data, err := os.ReadFile(path)
				if err == nil {
					err = os.WriteFile(path, spoil(bytes.Clone(data)), 0o600)
				}
				if err != nil {
					t.Error(err)
				}
			})
			if diff := cmp.Diff(want, found.Layers); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func reshaped(data []byte) []byte {
	d, err := decodeDigest(data)
	if err != nil {
		panic(err)
	}
	d.Shape += "more"
	if data, err = encodeDigest(d); err != nil {
		panic(err)
	}
	return data
}
