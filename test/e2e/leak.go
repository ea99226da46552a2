//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// kernelObjects lists what a storage driver can leave in the kernel: devices of
// device-mapper, attached loop devices, mounts and semaphores.
func kernelObjects(tb testing.TB) []string {
	tb.Helper()
	objects := append(deviceNames(tb), sysfsValues(tb, "loop", "/sys/block/loop*/loop/backing_file")...)
	for _, m := range mountsBelow(tb, "/") {
		objects = append(objects, "mount "+m)
	}
	semaphores, err := os.ReadFile("/proc/sysvipc/sem")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(semaphores)) {
		fields := strings.Fields(line)
		objects = append(objects, "semaphore "+strings.Join(fields[:2], " "))
	}
	return objects
}

// deviceNames lists the active device-mapper devices.
func deviceNames(tb testing.TB) []string {
	tb.Helper()
	return sysfsValues(tb, "device", "/sys/block/dm-*/dm/name")
}

func sysfsValues(tb testing.TB, kind, pattern string) []string {
	tb.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		tb.Fatal(err)
	}
	var values []string
	for _, file := range files {
		value, err := os.ReadFile(file)
		if err != nil {
			continue // gone since the listing
		}
		values = append(values, kind+" "+strings.TrimSpace(string(value)))
	}
	return values
}

// mountsBelow lists mount points, the deepest first.
func mountsBelow(tb testing.TB, dir string) []string {
	tb.Helper()
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		tb.Fatal(err)
	}
	var points []string
	for _, m := range mounts {
		points = append(points, m.Mountpoint)
	}
	slices.Sort(points)
	slices.Reverse(points)
	return points
}

// requireNothingLeft compares with a list from before. The kernel ends deferred
// removals and loop devices a little after the call that asked for it, and
// containerd's shims outlive dockerd by a moment.
func requireNothingLeft(tb testing.TB, before []string) {
	tb.Helper()
	var left []string
	for range 100 {
		left = slices.DeleteFunc(kernelObjects(tb), func(object string) bool { return slices.Contains(before, object) })
		if len(left) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	tb.Errorf("left in the kernel:\n\t%s\nheld by:\n\t%s", strings.Join(left, "\n\t"), strings.Join(deviceHolders(tb), "\n\t"))
}

// deviceHolders says of each device-mapper device which processes have it open
// or mounted, their own mount namespaces included.
func deviceHolders(tb testing.TB) []string {
	tb.Helper()
	out, err := exec.Command("dmsetup", "info", "-c", "--noheadings", "-o", "name,major,minor,open,attr").CombinedOutput()
	if err != nil {
		tb.Errorf("dmsetup info: %v: %s", err, out)
	}
	holders := strings.Split(strings.TrimSpace(string(out)), "\n")
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range descriptors {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, "/dev/dm-") {
			holders = append(holders, link+" is "+target)
		}
	}
	tables, _ := filepath.Glob("/proc/[0-9]*/mountinfo")
	for _, path := range tables {
		table, _ := os.ReadFile(path) // the process may be gone
		for line := range strings.Lines(string(table)) {
			if strings.Contains(line, "/dev/dm-") || strings.Contains(line, "/dev/mapper/") {
				holders = append(holders, path+": "+strings.TrimSpace(line))
			}
		}
	}
	return holders
}

// descriptors lists what a process has open.
func descriptors(tb testing.TB, pid int) []string {
	tb.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(links) == 0 {
		tb.Fatalf("descriptors of process %d: %v", pid, err)
	}
	var open []string
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil {
			open = append(open, target)
		}
	}
	slices.Sort(open)
	return open
}

// allocated is the space a file takes on its filesystem, in bytes.
func allocated(tb testing.TB, path string) int64 {
	tb.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		tb.Fatalf("stat %s: %v", path, err)
	}
	return st.Blocks * 512
}
