package looptest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Main runs the tests with a temporary directory of their own and returns the
// exit status: 1 when tests fail, when the machine can't run them, or when
// something is left below that directory or in this process. Use it as
//
//	func TestMain(m *testing.M) { os.Exit(looptest.Main(m)) }
func Main(m *testing.M) int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "these tests attach loop devices and mount: run them as root")
		return 1
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		fmt.Fprintln(os.Stderr, "these tests need the kernel's loop driver:", err)
		return 1
	}
	dir, err := os.MkdirTemp("", "dmthin-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Setenv("TMPDIR", dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// The runtime opens its poller and test files lazily; only files below dir
	// and devices count as leaks.
	status := m.Run()
	if leaks := settle(dir); len(leaks) > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: left behind by the tests:\n\t%s\n", strings.Join(leaks, "\n\t"))
		return 1
	}
	return status
}

// settle waits a little for leaks to go away: the kernel detaches an autoclear
// loop device some time after its last close.
func settle(dir string) []string {
	var leaks []string
	for range 100 {
		leaks = slices.Concat(Mounts(dir), Loops(dir), openFiles(dir))
		if len(leaks) == 0 {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return leaks
}

// Mounts lists the mount points below dir.
func Mounts(dir string) []string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			found = append(found, "mount "+fields[4])
		}
	}
	return found
}

// Loops lists the loop devices whose file is below dir.
func Loops(dir string) []string {
	matches, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, m := range matches {
		file, err := os.ReadFile(m)
		if err == nil && strings.HasPrefix(string(file), dir+"/") {
			found = append(found, fmt.Sprintf("%s: %s", m, strings.TrimSpace(string(file))))
		}
	}
	return found
}

// openFiles lists this process's open files below dir, and loop devices.
func openFiles(dir string) []string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && (strings.HasPrefix(target, dir+"/") || strings.HasPrefix(target, "/dev/loop") || target == "/dev/kmsg") {
			found = append(found, "file descriptor of "+target)
		}
	}
	return found
}
