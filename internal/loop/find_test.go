//go:build roottest

package loop

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFindKnowsTheFileByInode(t *testing.T) {
	f := newFile(t, mib)
	d := attach(t, f)
	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(f.Name(), moved); err != nil {
		t.Fatal(err)
	}
	same, err := os.Open(moved)
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	got, err := Find(same)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if got.Path != d.Path || got.Major != d.Major || got.Minor != d.Minor {
		t.Errorf("Find() = %v, want %v", got, d)
	}
}

func TestFindOfAnUnattachedFile(t *testing.T) {
	if _, err := Find(newFile(t, mib)); !errors.Is(err, ErrNotAttached) {
		t.Errorf("error = %v, want ErrNotAttached", err)
	}
}

func TestFindRefusesTwoDevicesOnOneFile(t *testing.T) {
	f := newFile(t, mib)
	a, b := attach(t, f), attach(t, f)
	_, err := Find(f)
	if !errors.Is(err, ErrAttachedTwice) {
		t.Fatalf("error = %v, want ErrAttachedTwice", err)
	}
	if !strings.Contains(err.Error(), a.Path) || !strings.Contains(err.Error(), b.Path) {
		t.Errorf("%q does not name %s and %s", err, a.Path, b.Path)
	}
}

// The device with the file could be the one whose node is missing; attaching
// the file a second time would then destroy it.
func TestFindDoesNotOverlookADeviceWithoutNode(t *testing.T) {
	f := newFile(t, mib)
	attach(t, f)
	k := driver{dev: t.TempDir()}
	if _, err := k.find(f); !errors.Is(err, ErrNoNode) {
		t.Errorf("error = %v, want ErrNoNode", err)
	}
	other, err := os.Create(filepath.Join(t.TempDir(), "another-name"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := k.find(other); !errors.Is(err, ErrNotAttached) {
		t.Errorf("error for an unrelated file = %v, want ErrNotAttached", err)
	}
}

func TestFindShowsHowTheFileIsAttached(t *testing.T) {
	f := newFile(t, 4*mib)
	d := attach(t, f)
	info, err := unix.IoctlLoopGetStatus64(d.fd())
	if err != nil {
		t.Fatal(err)
	}
	info.Offset, info.Sizelimit = mib, 2*mib
	if err := unix.IoctlLoopSetStatus64(d.fd(), info); err != nil {
		t.Fatal(err)
	}
	got, err := Find(f)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	status, err := got.Status()
	if err != nil || status.Offset != mib || status.SizeLimit != 2*mib {
		t.Errorf("Status() = %+v, %v", status, err)
	}
}
