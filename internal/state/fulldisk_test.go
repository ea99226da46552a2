//go:build roottest

package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a tmpfs that is soon full.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatalf("mount a small disk (needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

func TestLayersCanBeRemovedOnAFullDisk(t *testing.T) {
	dir := smallDisk(t)
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put(t, s, "a", Record{DeviceID: 1, Size: 512})
	fill(t, dir)
	if err := s.Put("b", Record{DeviceID: 2, Size: 512}); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("Put on a full disk = %v, want ENOSPC", err)
	}
	if _, err := s.Bury("a", Record{DeviceID: 1, Size: 512}); err != nil {
		t.Errorf("Bury on a full disk: %v", err)
	}
	if err := s.WriteIntent(Intent{OpenTransactionID: 1}); err != nil {
		t.Errorf("WriteIntent on a full disk: %v", err)
	}
	if err := s.WriteDeviceSet(DeviceSet{NextDeviceID: 1}); err != nil {
		t.Errorf("WriteDeviceSet on a full disk: %v", err)
	}
	if got := load(t, s); len(got.Layers) != 0 || len(got.Tombstones) != 1 || len(got.Damaged) != 0 {
		t.Errorf("Load = %+v", got)
	}
}

func TestAFailedWriteLeavesTheOldRecord(t *testing.T) {
	dir := smallDisk(t)
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put(t, s, "a", Record{DeviceID: 1, Size: 512})
	fill(t, dir)
	if err := s.Put("a", Record{DeviceID: 9, Size: 512}); err == nil {
		t.Fatal("Put on a full disk succeeded")
	}
	if got := load(t, s).Layers["a"].DeviceID; got != 1 {
		t.Errorf("the record now says device %d", got)
	}
	if left, _ := filepath.Glob(filepath.Join(s.metadata, tempPrefix+"*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestADiskThatTakesNoRecordsIsKnownUntilItDoes(t *testing.T) {
	dir := smallDisk(t)
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fill(t, dir)
	if err := s.Writable(t.Context()); err != nil {
		t.Errorf("before any write failed: %v", err)
	}
	if s.Put("b", Record{DeviceID: 2, Size: 512}) == nil {
		t.Fatal("Put on a full disk succeeded")
	}
	if err := s.Writable(t.Context()); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("on the full disk Writable = %v, want ENOSPC", err)
	}
	if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
		t.Fatal(err)
	}
	if err := s.Writable(t.Context()); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

func TestAReadOnlyDiskIsNamedWithWhatToDo(t *testing.T) {
	dir := smallDisk(t)
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir)
	if !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "mount it for writing") {
		t.Errorf("Open = %v", err)
	}
}
