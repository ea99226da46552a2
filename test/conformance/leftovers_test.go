package conformance

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// kernelObjects names every device-mapper device, attached loop device and
// mount there is.
func kernelObjects(tb testing.TB) []string {
	tb.Helper()
	objects := slices.Concat(
		sysfsValues(tb, "/sys/block/dm-*/dm/name"),
		sysfsValues(tb, "/sys/block/loop*/loop/backing_file"))
	mounts, err := mountinfo.GetMounts(nil)
	if err != nil {
		tb.Fatal(err)
	}
	for _, m := range mounts {
		objects = append(objects, "mount "+m.Mountpoint)
	}
	return objects
}

func sysfsValues(tb testing.TB, pattern string) []string {
	tb.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		tb.Fatal(err)
	}
	var values []string
	for _, file := range files {
		value, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) { // went away since the listing
			continue
		}
		if err != nil {
			tb.Fatal(err)
		}
		values = append(values, filepath.Base(file)+" "+strings.TrimSpace(string(value)))
	}
	return values
}

// requireNothingLeft compares with the listing from before the daemon ran.
// The kernel finishes deferred removals and loop detaches after the call that
// asked for them has returned, hence the short wait.
func requireNothingLeft(tb testing.TB, before []string) {
	tb.Helper()
	var left []string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		left = slices.DeleteFunc(kernelObjects(tb), func(object string) bool {
			return slices.Contains(before, object)
		})
		if len(left) == 0 {
			return
		}
	}
	tb.Errorf("left in the kernel by the stopped daemon: %s", strings.Join(left, "; "))
}
