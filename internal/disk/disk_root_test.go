//go:build roottest

package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop"
	"github.com/dmthin/dmthin/internal/loop/looptest"
)

func TestFreeDiskHasNoUsers(t *testing.T) {
	device := looptest.Image(t, 1<<20)
	d, err := Inspect(device.Path)
	if err != nil {
		t.Fatal(err)
	}
	want := Disk{Path: device.Path, Major: device.Major, Minor: device.Minor, Size: 1 << 20}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Of mounts in other namespaces, and of arrays, only the kernel's refusal
// tells.
func TestClaimedDiskHasAUser(t *testing.T) {
	device := looptest.Image(t, 1<<20).Path
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_EXCL, 0)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Inspect(device)
	if err != nil || len(d.Users) != 1 || !strings.Contains(d.Users[0], "busy") {
		t.Errorf("%+v, %v", d, err)
	}
	_ = unix.Close(fd)
	if d, err = Inspect(device); err != nil || len(d.Users) != 0 {
		t.Errorf("after it was let go: %+v, %v", d, err)
	}
}

// write makes a file of a faked /sys or /proc.
func write(t *testing.T, content string, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func fakeDisk(t *testing.T, device *loop.Device) (sys, proc string) {
	t.Helper()
	sys, proc = t.TempDir(), t.TempDir()
	number := fmt.Sprintf("%d:%d", device.Major, device.Minor)
	dir := filepath.Join(sys, "dev/block", number)
	write(t, "", dir, "holders/dm-3/x")
	for n, part := range []string{"loop0p1", "loop0p2", "loop0p3"} {
		write(t, "1\n", dir, part, "partition")
		write(t, fmt.Sprintf("259:%d\n", n), dir, part, "dev")
	}
	write(t, "", dir, "loop0p2/holders/md0/x")
	write(t, "0\n", dir, "queue/dev") // no partition
	write(t, "36 35 259:0 / /srv rw - ext4 /dev/loop0p1 rw\n37 35 8:1 / / rw - ext4 /dev/sda1 rw\n38 35 259:0 /sub /srv rw - ext4 /dev/loop0p1 rw\n",
		proc, "self/mountinfo")
	write(t, "", proc, "loop0p3")
	write(t, "Filename\tType\tSize\tUsed\tPriority\n"+filepath.Join(proc, "loop0p3")+" partition\t1\t0\t-2\n", proc, "swaps")
	return sys, proc
}

func TestUsersOfPartitionsAreUsersOfTheDisk(t *testing.T) {
	device := looptest.Image(t, 1<<20)
	sys, proc := fakeDisk(t, device)
	d, err := inspect(device.Path, sys, proc)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(d.Users)
	if diff := cmp.Diff([]string{"mounted on /srv", "part of dm-3", "part of md0", "swap"}, d.Users); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"loop0p1", "loop0p2", "loop0p3"}, d.Partitions); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhatIsNoBlockDeviceIsSaid(t *testing.T) {
	for _, path := range []string{"/dev/null", "/etc/passwd", "/"} {
		if _, err := Inspect(path); !errors.Is(err, ErrNotBlockDevice) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := Inspect("/dev/no-such-disk"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
