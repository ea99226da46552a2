//go:build roottest

package filesystem

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop/looptest"
)

func TestLayersAreMountedWithTheirFilesystemsOptions(t *testing.T) {
	for kind, option := range map[Type]string{Ext4: "noinit_itable", XFS: "nouuid"} {
		dir := mounted(t, formatted(t, kind, 512*mib), kind, MountOptions{Extra: []string{"noatime,nodev"}})
		for _, want := range []string{option, "noatime", "nodev", "rw"} {
			if !hasOption(t, dir, want) {
				t.Errorf("%s: %v lacks %s", kind, mountLine(t, dir), want)
			}
		}
	}
}

// Snapshots of one base have the same UUID, which xfs refuses by itself.
func TestTwoCopiesOfOneFilesystemMountAtOnce(t *testing.T) {
	for _, kind := range types {
		t.Run(string(kind), func(t *testing.T) {
			first := formatted(t, kind, 512*mib)
			second := copyOf(t, first)
			a := mounted(t, first, kind, MountOptions{})
			b := mounted(t, second, kind, MountOptions{})
			write(t, filepath.Join(a, "file"), "a")
			if _, err := os.Stat(filepath.Join(b, "file")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a file of one copy shows in the other: %v", err)
			}
		})
	}
}

func TestReadOnlyMountCanBeMadeWritable(t *testing.T) {
	for _, kind := range types {
		t.Run(string(kind), func(t *testing.T) {
			device := formatted(t, kind, 512*mib)
			dir := mounted(t, device, kind, MountOptions{ReadOnly: true, Extra: []string{"nosuid,noatime"}})
			file := filepath.Join(dir, "file")
			if err := os.WriteFile(file, nil, 0o600); !errors.Is(err, unix.EROFS) {
				t.Fatalf("write to a read-only mount: %v, want EROFS", err)
			}
			if err := MakeWritable(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
			write(t, file, "x")
			kept := []string{"nosuid", "noatime"}
			if kind == Ext4 {
				kept = append(kept, "noinit_itable")
			}
			for _, option := range kept {
				if !hasOption(t, dir, option) {
					t.Errorf("%v lost %s", mountLine(t, dir), option)
				}
			}
		})
	}
}

// dockerd sees the managed plugin's mounts by propagation: a Get of a layer that
// a Diff has mounted for reading must be writable there too.
func TestACopyInAnotherPlaceBecomesWritableToo(t *testing.T) {
	device := formatted(t, Ext4, 64*mib)
	plugin, docker := t.TempDir(), t.TempDir()
	bind(t, plugin, plugin, unix.MS_BIND)
	bind(t, "", plugin, unix.MS_SHARED)
	bind(t, plugin, docker, unix.MS_BIND)
	dir, seen := filepath.Join(plugin, "layer"), filepath.Join(docker, "layer")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Mount(t.Context(), device, dir, Ext4, MountOptions{ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	if err := MakeWritable(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(seen, "file"), "x")
	if _, err := Unmount(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if left := append(mountLine(t, dir), mountLine(t, seen)...); len(left) > 0 {
		t.Errorf("still mounted: %v", left)
	}
}

func bind(t *testing.T, source, dir string, flags uintptr) {
	t.Helper()
	if err := unix.Mount(source, dir, "", flags, ""); err != nil {
		t.Fatal(err)
	}
	if flags&unix.MS_BIND != 0 {
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	}
}

// ext4 would otherwise go on without a journal.
func TestMountWithoutReplayStaysReadOnly(t *testing.T) {
	for _, kind := range types {
		dir := mounted(t, formatted(t, kind, 512*mib), kind, MountOptions{ReadOnly: true, NoReplay: true})
		if err := MakeWritable(t.Context(), dir); !errors.Is(err, ErrNoReplay) {
			t.Errorf("%s: error = %v, want ErrNoReplay", kind, err)
		}
		if !hasOption(t, dir, "ro") {
			t.Errorf("%s: %v is not read-only", kind, mountLine(t, dir))
		}
	}
}

// Every block written to a layer is one no longer shared with its parent.
func TestMountWithoutReplayWritesNothing(t *testing.T) {
	for _, kind := range types {
		device := formatted(t, kind, 512*mib)
		dir := mounted(t, device, kind, MountOptions{})
		unmount(t, dir)
		before := writes(t, device)
		if err := Mount(t.Context(), device, dir, kind, MountOptions{ReadOnly: true, NoReplay: true}); err != nil {
			t.Fatal(err)
		}
		unmount(t, dir)
		if after := writes(t, device); after != before {
			t.Errorf("%s: writes to the device went from %s to %s", kind, before, after)
		}
	}
}

// writes is the number of sectors written to the device so far.
func writes(t *testing.T, device string) string {
	t.Helper()
	stat, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(device), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(stat))[6]
}

func TestMakeWritableOfNoMount(t *testing.T) {
	if err := MakeWritable(t.Context(), t.TempDir()); !errors.Is(err, errNotMounted) {
		t.Errorf("error = %v, want errNotMounted", err)
	}
}

func TestAFailedMountSaysWhatTheKernelLogged(t *testing.T) {
	cases := []struct {
		kind   Type
		extra  string
		kernel string
	}{
		{Ext4, "no_such_option", "no_such_option"},
		{XFS, "no_such_option", "no_such_option"},
		{Ext4, "data=journal,delalloc", "delalloc"},
	}
	for _, c := range cases {
		dir := t.TempDir()
		device := formatted(t, c.kind, 512*mib)
		err := Mount(t.Context(), device, dir, c.kind, MountOptions{Extra: []string{c.extra}})
		var failed *MountError
		if !errors.As(err, &failed) || !errors.Is(err, unix.EINVAL) || !strings.Contains(failed.Kernel, c.kernel) {
			t.Errorf("%s with %s: error = %v; want EINVAL and the kernel's message", c.kind, c.extra, err)
		}
		if mountLine(t, dir) != nil {
			t.Errorf("%s is mounted after the error", dir)
		}
	}
}

func TestMountOfAnEmptyDevice(t *testing.T) {
	for _, kind := range types {
		err := Mount(t.Context(), looptest.Image(t, 512*mib).Path, t.TempDir(), kind, MountOptions{})
		var failed *MountError
		if !errors.As(err, &failed) || failed.Kernel == "" || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error = %v; want one line with the kernel's message", kind, err)
		}
	}
}

func TestLabelReachesTheFilesystem(t *testing.T) {
	dir := t.TempDir()
	label := "system_u:object_r:container_file_t:s0:c1,c2"
	err := Mount(t.Context(), formatted(t, Ext4, 64*mib), dir, Ext4, MountOptions{Label: label})
	if err == nil { // a kernel with SELinux
		defer unmount(t, dir)
		if line := mountLine(t, dir); !strings.Contains(strings.Join(line, " "), label) {
			t.Errorf("%v lacks the label", line)
		}
		return
	}
	var failed *MountError
	if !errors.As(err, &failed) || !strings.Contains(failed.Kernel, "context") {
		t.Errorf("error = %v; want the kernel to refuse the option context", err)
	}
}

func TestMountStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Mount(ctx, formatted(t, Ext4, 64*mib), t.TempDir(), Ext4, MountOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}

func TestSyncWritesToTheDevice(t *testing.T) {
	device := formatted(t, Ext4, 64*mib)
	dir := mounted(t, device, Ext4, MountOptions{})
	write(t, filepath.Join(dir, "file"), strings.Repeat("x", mib))
	before := writes(t, device)
	if err := Sync(dir); err != nil {
		t.Fatal(err)
	}
	if after := writes(t, device); after == before {
		t.Error("nothing was written")
	}
	if err := Sync(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v, want not-exist", err)
	}
}
