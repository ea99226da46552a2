// Package looptest gives tests files on loop devices, and makes a test binary
// fail that leaves a loop device, a mount or a file descriptor behind.
//
// Only tests import it.
package looptest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dmthin/dmthin/internal/loop"
)

// Image makes a sparse file of the given size in bytes and attaches it. It is
// detached when the test ends.
func Image(t testing.TB, size int64) *loop.Device {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return AttachFile(t, path)
}

// AttachFile attaches an existing file until the test ends.
func AttachFile(t testing.TB, path string) *loop.Device {
	t.Helper()
	d := Attach(t, path)
	t.Cleanup(func() { d.Close() })
	return d
}

// Attach attaches an existing file until the caller closes the device.
func Attach(t testing.TB, path string) *loop.Device {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := loop.Attach(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
