//go:build roottest

package filesystem

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmthin/dmthin/internal/loop/looptest"
)

func TestMountsListsOnlyWhatIsBelow(t *testing.T) {
	parent := t.TempDir()
	below, beside := filepath.Join(parent, "mnt", "a b"), filepath.Join(parent, "mnt2")
	for _, dir := range []string{below, beside} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d := looptest.Image(t, 64*mib)
	if err := Format(t.Context(), d.Path, Ext4, nil); err != nil {
		t.Fatal(err)
	}
	for dir, o := range map[string]MountOptions{below: {ReadOnly: true}, beside: {ReadOnly: true}} {
		if err := Mount(t.Context(), d.Path, dir, Ext4, o); err != nil {
			t.Fatal(err)
		}
		defer unmount(t, dir)
	}
	want := []MountPoint{{Dir: below, Source: d.Path, Major: d.Major, Minor: d.Minor, ReadOnly: true}}
	got, err := Mounts(t.Context(), filepath.Join(parent, "mnt"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Mounts (-want +got):\n%s", diff)
	}
	if got, err := Mounts(t.Context(), below); err != nil || len(got) != 0 {
		t.Errorf("Mounts(%s) = %v, %v; want none below it", below, got, err)
	}
	all, err := Mounts(t.Context(), "/")
	if err != nil || !slices.Contains(all, want[0]) {
		t.Errorf("Mounts(/) = %v, %v; want ours among them", all, err)
	}
}

// A container manager that took a copy of the mount table keeps the device
// busy after we have unmounted it.
func TestHoldersNamesTheProcessOfAnotherNamespace(t *testing.T) {
	d := looptest.Image(t, 64*mib)
	if err := Format(t.Context(), d.Path, Ext4, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := Mount(t.Context(), d.Path, dir, Ext4, MountOptions{}); err != nil {
		t.Fatal(err)
	}
	own, err := Holders(d.Major, d.Minor)
	if err != nil || len(own) != 1 || own[0].MountPoint != dir {
		t.Errorf("Holders() = %v, %v; want this namespace at %s", own, err, dir)
	}

	other := exec.Command("sleep", "60")
	other.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() { _ = other.Process.Kill(); _ = other.Wait() }
	defer stop()
	unmount(t, dir)

	want := []Holder{{PID: other.Process.Pid, Command: "sleep", MountPoint: dir}}
	got, err := Holders(d.Major, d.Minor)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Holders (-want +got):\n%s", diff)
	}
	if s := got[0].String(); !strings.Contains(s, "sleep") || !strings.Contains(s, dir) {
		t.Errorf("String() = %q", s)
	}
	stop()
	waitNoHolder(t, d.Major, d.Minor)
}

func waitNoHolder(t *testing.T, major, minor uint32) {
	t.Helper()
	for range 100 {
		if got, err := Holders(major, minor); err != nil || len(got) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("there is still a holder")
}
