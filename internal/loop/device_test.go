//go:build roottest

package loop

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSetCapacityFollowsTheFile(t *testing.T) {
	f := newFile(t, mib)
	d := attach(t, f)
	if err := f.Truncate(3 * mib); err != nil {
		t.Fatal(err)
	}
	if err := d.SetCapacity(); err != nil {
		t.Fatal(err)
	}
	if size, err := d.Size(); err != nil || size != 3*mib {
		t.Errorf("Size() = %d, %v; want %d", size, err, 3*mib)
	}
}

func TestDetachTakesTheFileOffAndIsRepeatable(t *testing.T) {
	f := newFile(t, mib)
	d := attach(t, f)
	if err := d.Detach(); err != nil {
		t.Fatal(err)
	}
	d.Close()
	waitDetached(t, f)

	free, err := openDevice(d.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	if err := free.Detach(); err != nil {
		t.Errorf("Detach of a free device: %v", err)
	}
	if _, err := free.Status(); !errors.Is(err, ErrNotAttached) {
		t.Errorf("Status of a free device: %v, want ErrNotAttached", err)
	}
	if err := free.SetCapacity(); !errors.Is(err, unix.ENXIO) {
		t.Errorf("SetCapacity of a free device: %v, want ENXIO", err)
	}
}

func TestOpenRefusesWhatIsNoBlockDevice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "loop0")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openDevice(path); !errors.Is(err, unix.ENOTBLK) {
		t.Errorf("error = %v, want ENOTBLK", err)
	}
}
