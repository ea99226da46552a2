//go:build roottest

package loop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const mib = 1 << 20

func newFile(t *testing.T, size int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
}

func attach(t *testing.T, f *os.File) *Device {
	t.Helper()
	d, err := Attach(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestAttachedDeviceReadsAndWritesTheFile(t *testing.T) {
	f := newFile(t, 4*mib)
	d := attach(t, f)
	if size, err := d.Size(); err != nil || size != 4*mib {
		t.Errorf("Size() = %d, %v; want %d", size, err, 4*mib)
	}
	dev, err := os.OpenFile(d.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	if _, err := dev.WriteAt([]byte("hello"), mib); err != nil {
		t.Fatal(err)
	}
	if err := dev.Sync(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := f.ReadAt(got, mib); err != nil || string(got) != "hello" {
		t.Errorf("file holds %q, %v", got, err)
	}
}

func TestAttachNamesTheFileAndSetsAutoclear(t *testing.T) {
	f := newFile(t, mib)
	for name, k := range map[string]driver{"at once": host, "in steps": oldKernel()} {
		t.Run(name, func(t *testing.T) {
			d, err := k.attach(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			status, err := d.Status()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(f.Name(), status.FileName) || len(status.FileName) < min(63, len(f.Name())) {
				t.Errorf("FileName = %q, want the start of %q", status.FileName, f.Name())
			}
			if !status.Autoclear || status.ReadOnly || status.Offset != 0 || status.SizeLimit != 0 {
				t.Errorf("Status() = %+v; want autoclear, writable, the whole file", status)
			}
			if got := sysfs(t, d, "queue/logical_block_size"); got != "512" {
				t.Errorf("logical block size = %s, want 512 whatever the host's disk has", got)
			}
		})
	}
}

// oldKernel refuses LOOP_CONFIGURE as Linux before 5.8 does.
func oldKernel() driver {
	return driver{dev: "/dev", configure: func(int, *unix.LoopConfig) error { return unix.EINVAL }}
}

func sysfs(t *testing.T, d *Device, attr string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(d.Path), attr))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestLastCloseDetaches(t *testing.T) {
	f := newFile(t, mib)
	d := attach(t, f)
	user, err := os.Open(d.Path) // stands for device-mapper
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	again, err := Find(f)
	if err != nil {
		t.Fatalf("Find while the user has the device open: %v", err)
	}
	again.Close()
	user.Close()
	waitDetached(t, f)
}

func waitDetached(t *testing.T, f *os.File) {
	t.Helper()
	for range 100 {
		d, err := Find(f)
		if errors.Is(err, ErrNotAttached) {
			return
		}
		if err == nil {
			d.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s is still attached after the last close", f.Name())
}

// GET_FREE hands one device to several askers; each must end with its own.
func TestAttachSurvivesLosingTheRace(t *testing.T) {
	const n = 16
	var files []*os.File
	for range n {
		files = append(files, newFile(t, mib))
	}
	devices := make([]*Device, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { devices[i], errs[i] = Attach(t.Context(), files[i]) })
	}
	wg.Wait()
	seen := map[string]bool{}
	for i, d := range devices {
		if errs[i] != nil {
			t.Error(errs[i])
			continue
		}
		defer d.Close()
		if seen[d.Path] {
			t.Errorf("%s was handed out twice", d.Path)
		}
		seen[d.Path] = true
	}
}

func TestAttachGivesUpWhenOthersAlwaysWin(t *testing.T) {
	rounds := 0
	k := driver{dev: "/dev", configure: func(int, *unix.LoopConfig) error { rounds++; return unix.EBUSY }}
	_, err := k.attach(t.Context(), newFile(t, mib))
	if !errors.Is(err, ErrNoneFree) || rounds != maxAttempts {
		t.Errorf("after %d rounds: %v; want ErrNoneFree after %d", rounds, err, maxAttempts)
	}
}

func TestAttachStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	k := driver{dev: "/dev", configure: func(int, *unix.LoopConfig) error { cancel(); return unix.EBUSY }}
	if _, err := k.attach(ctx, newFile(t, mib)); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}

func TestAttachRefusesAReadOnlyDescriptor(t *testing.T) {
	f := newFile(t, mib)
	ro, err := os.Open(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if _, err := Attach(t.Context(), ro); !errors.Is(err, unix.EBADF) {
		t.Errorf("error = %v, want EBADF: the device would be read-only", err)
	}
}

// containerDev is a /dev that has loop-control and no loop nodes.
func containerDev(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var st unix.Stat_t
	if err := unix.Stat("/dev/loop-control", &st); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(filepath.Join(dir, "loop-control"), unix.S_IFCHR|0o600, int(st.Rdev)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAttachSaysThatTheNodeIsMissing(t *testing.T) {
	k := driver{dev: containerDev(t), configure: unix.IoctlLoopConfigure}
	start := time.Now()
	_, err := k.attach(t.Context(), newFile(t, mib))
	if !errors.Is(err, ErrNoNode) || !strings.Contains(err.Error(), "container") {
		t.Errorf("error = %v, want ErrNoNode with a hint", err)
	}
	if took := time.Since(start); took > 3*nodeWait {
		t.Errorf("gave up after %v, want about %v", took, nodeWait)
	}
}

func TestAttachWaitsForALateNode(t *testing.T) {
	dir := containerDev(t)
	k := driver{dev: dir, configure: unix.IoctlLoopConfigure}
	var wg sync.WaitGroup
	wg.Go(func() {
		time.Sleep(5 * nodePoll)
		for n := range 64 {
			_ = unix.Mknod(filepath.Join(dir, fmt.Sprintf("loop%d", n)), unix.S_IFBLK|0o600, int(unix.Mkdev(7, uint32(n))))
		}
	})
	defer wg.Wait()
	d, err := k.attach(t.Context(), newFile(t, mib))
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

func TestAttachWithoutTheLoopDriver(t *testing.T) {
	k := driver{dev: t.TempDir(), configure: unix.IoctlLoopConfigure}
	_, err := k.attach(t.Context(), newFile(t, mib))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "module loop") {
		t.Errorf("error = %v, want not-exist naming the module", err)
	}
}
