//go:build roottest && !dmtest

package blockdiff

import (
	"os"
	"testing"

	"github.com/dmthin/dmthin/internal/loop"
)

// attach attaches a file for less than a test's time.
func attach(t *testing.T, path string) *loop.Device {
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
