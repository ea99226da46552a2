package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func setStage(t *testing.T, s *Store, r Record) {
	t.Helper()
	if err := s.SetStage("layer", r); err != nil {
		t.Fatal(err)
	}
	if got := load(t, s).Layers["layer"]; got != r {
		t.Errorf("the record is %+v, want %+v", got, r)
	}
}

// Two commits of the journal for each mark would be most of what unpacking a small
// layer costs.
func TestAStageIsWrittenInPlace(t *testing.T) {
	for name, write := range map[string]func(*Store, string, Record) error{"added": (*Store).Add, "put": (*Store).Put} {
		s := open(t)
		r := Record{DeviceID: 1, Size: 4096, Parent: strings.Repeat("p", 64)}
		if err := write(s, "layer", r); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(s.metadata, "layer")
		first, _ := inode(t, path)
		for _, r.Stage = range []Stage{StageApplying, StageReady} {
			setStage(t, s, r)
			// After each: a second new file may get the first one's number.
			if number, size := inode(t, path); number != first || size != sector {
				t.Errorf("%s: the record is inode %d of %d bytes, it was %d", name, number, size, first)
			}
		}
	}
}

func TestAStageIsWrittenAnewWhereItDoesNotFit(t *testing.T) {
	s := open(t)
	write(t, s, "layer", `{"device_id":1,"size":4096,"transaction_id":1,"initialized":false,"deleted":false}`)
	r := Record{DeviceID: 1, Size: 4096, TransactionID: 1, Stage: StageApplying}
	setStage(t, s, r)
	r.Parent = strings.Repeat("p", sector)
	setStage(t, s, r)
	r.Stage = StageReady
	setStage(t, s, r)
	if left, err := filepath.Glob(filepath.Join(s.metadata, tempPrefix+"*")); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

// The kernel takes a page that it could not write for written: a start would read
// there what the disk doesn't have, and what the caller was told had failed.
func TestAMarkThatCanNotBeSyncedIsTakenBack(t *testing.T) {
	s := open(t)
	r := Record{DeviceID: 1, Size: 4096, Parent: strings.Repeat("p", 64)}
	put(t, s, "layer", r)
	data, err := encode("layer", Record{DeviceID: 1, Size: 4096, Deleted: true})
	if err != nil {
		t.Fatal(err)
	}
	broken := func(*os.File) error { return unix.EIO }
	if done, err := s.overwrite("layer", data, broken); done || !errors.Is(err, unix.EIO) {
		t.Errorf("overwrite = %v, %v", done, err)
	}
	if got := load(t, s).Layers["layer"]; got != r {
		t.Errorf("the record is %+v, want %+v", got, r)
	}
}

// ext4 lets a read overlap a write, and give a part of both contents.
func TestWhoReadsWaitsForAWriteInPlace(t *testing.T) {
	s := open(t)
	put(t, s, "layer", Record{DeviceID: 1, Size: 4096})
	for name, read := range map[string]func() error{
		"Scan":   func() error { _, err := s.Scan(); return err },
		"Copy":   func() error { _, err := s.Copy(); return err },
		"Intent": func() error { _, _, err := s.Intent(); return err },
	} {
		s.inPlace.Lock()
		answer := make(chan error, 1)
		go func() { answer <- read() }()
		select {
		case <-answer:
			t.Errorf("%s read a file that was being written", name)
			s.inPlace.Unlock()
		case <-time.After(50 * time.Millisecond):
			s.inPlace.Unlock()
			if err := <-answer; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
