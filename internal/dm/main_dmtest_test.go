//go:build dmtest

package dm_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/internal/dm/dmtest"
)

func TestMain(m *testing.M) { dmtest.Main(m, `ioctl: error adding target to table`) }

// errorTable is a target that needs no device below it and fails all I/O.
func errorTable(sectors uint64) []dm.Target {
	return []dm.Target{{Length: sectors, Type: "error"}}
}

// newDevice makes a device that the test's end removes, whatever its name is
// by then.
func newDevice(t *testing.T, name string) (dm.ID, dm.Info) {
	t.Helper()
	dev := dm.ID{Name: name, UUID: "DMTEST-" + name}
	info, err := dm.Create(t.Context(), dev, errorTable(2048), dm.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeIfThere(t, dev) })
	return dev, info
}

func removeIfThere(t *testing.T, dev dm.ID) {
	t.Helper()
	err := dm.Remove(t.Context(), dev, dm.RemoveOptions{})
	if err != nil && !errors.Is(err, syscall.ENXIO) {
		t.Error(err)
	}
}

func lookup(t *testing.T, name string) dm.Info {
	t.Helper()
	info, err := dm.Lookup(dm.ID{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func wantErrno(t *testing.T, err error, want syscall.Errno) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}
