//go:build dmtest

package dmtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/test/vm/kernellog"
)

// Main runs the tests of a package, and fails if they leave device-mapper
// devices, loop devices, mounts, semaphores or file descriptors. It fails
// before that where there is no device-mapper to test. provoked are patterns of
// what the kernel logs when it refuses what the tests ask for in vain; anything
// else that looks like a fault fails them too. It never returns.
func Main(m *testing.M, provoked ...string) {
	if os.Geteuid() != 0 {
		fail("these tests need root")
	}
	if out, err := exec.Command("dmsetup", "version").CombinedOutput(); err != nil {
		fail("these tests need device-mapper: dmsetup version: %v: %s", err, out)
	}
	for _, pattern := range provoked {
		if err := kernellog.Expect(pattern); err != nil {
			fail("announce %s in the kernel log: %v", pattern, err)
		}
	}
	before := inventory()
	code := m.Run()
	if left := leaked(before); len(left) > 0 {
		fail("the tests left behind:\n\t%s", strings.Join(left, "\n\t"))
	}
	os.Exit(code)
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

// leaked returns what is there now and was not before. The kernel detaches loop
// devices and ends deferred removals a little later.
func leaked(before []string) []string {
	var left []string
	for range 50 {
		left = slices.DeleteFunc(inventory(), func(s string) bool { return slices.Contains(before, s) })
		if len(left) == 0 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return left
}

// inventory lists everything that a test could leave behind, one line each.
func inventory() []string {
	var all []string
	all = append(all, lines("device", command("dmsetup", "ls"))...)
	all = append(all, lines("loop", command("losetup", "--noheadings", "--list", "--output", "NAME,BACK-FILE"))...)
	all = append(all, lines("semaphore", read("/proc/sysvipc/sem"))...)
	all = append(all, lines("mount", read("/proc/self/mountinfo"))...)
	return append(all, descriptors()...)
}

// descriptors lists what this process has open, except for what the Go runtime,
// libdevmapper and package pathrs keep: the last a proc of its own.
func descriptors() []string {
	var open []string
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || strings.HasPrefix(target, "anon_inode:[event") || target == "/dev/mapper/control" {
			continue
		}
		var fs unix.Statfs_t
		if target == "/" && unix.Statfs(link, &fs) == nil && fs.Type == unix.PROC_SUPER_MAGIC {
			continue
		}
		open = append(open, "descriptor: "+target)
	}
	return open
}

func command(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		fail("%s: %v", name, err)
	}
	return string(out)
}

func read(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		fail("%v", err)
	}
	return string(content)
}

func lines(kind, text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line != "No devices found" {
			all = append(all, kind+": "+line)
		}
	}
	return all
}
