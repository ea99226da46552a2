//go:build roottest

package looplvm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop/looptest"
)

// Each case breaks a healthy pair of files that holds a pool; Open must say
// what is wrong and leave everything as it found it.
func TestOpenRefusesDamagedFilesAndTouchesNothing(t *testing.T) {
	healthy := poolSize{data: 64 * mib, metadata: 4 * mib}
	cases := []struct {
		name     string
		existing bool
		damage   func(dir string) error
		kind     error
		says     string
	}{
		{"data missing", false, func(dir string) error { return os.Remove(dir + "/data") }, ErrMissing, "data is missing"},
		{"metadata missing", false, func(dir string) error { return os.Remove(dir + "/metadata") }, ErrMissing, "metadata is missing"},
		{"data missing under layers", true, func(dir string) error { return os.Remove(dir + "/data") }, ErrMissing, "restore it from backup"},
		{"directory missing under layers", true, os.RemoveAll, ErrMissing, "restore it from backup"},
		{"data cut", true, func(dir string) error { return os.Truncate(dir+"/data", 63*mib) }, ErrTruncated, "was cut"},
		{"data empty", true, func(dir string) error { return os.Truncate(dir+"/data", 0) }, ErrTruncated, "was cut"},
		{"data cut without layers", false, func(dir string) error { return os.Truncate(dir+"/data", 63*mib) }, ErrTruncated, "was cut"},
		{"metadata cut", true, func(dir string) error { return os.Truncate(dir+"/metadata", 3*mib) }, ErrTruncated, "was cut"},
		{"metadata cut below a block", true, func(dir string) error { return os.Truncate(dir+"/metadata", 1000) }, ErrForeign, "metadata"},
		{"metadata empty under layers", true, func(dir string) error { return os.Truncate(dir+"/metadata", 0) }, ErrTruncated, "is empty"},
		{"metadata empty, data full", false, func(dir string) error { return os.Truncate(dir+"/metadata", 0) }, ErrForeign, "holds data"},
		{"metadata of something else", false, func(dir string) error {
			return os.WriteFile(dir+"/metadata", []byte(strings.Repeat("x", 4*mib)), 0o600)
		}, ErrForeign, "does not hold thin-pool metadata"},
		{"data is a symlink", true, func(dir string) error {
			return errors.Join(os.Rename(dir+"/data", dir+"/moved"), os.Symlink("moved", dir+"/data"))
		}, ErrForeign, "symbolic link"},
		{"data is a directory", true, func(dir string) error {
			return errors.Join(os.Remove(dir+"/data"), os.Mkdir(dir+"/data", 0o700))
		}, ErrForeign, "directory"},
		{"metadata is a fifo", true, func(dir string) error {
			return errors.Join(os.Remove(dir+"/metadata"), unix.Mkfifo(dir+"/metadata", 0o600))
		}, ErrForeign, "special file"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cfg := newConfig(t)
			withPool(t, cfg, healthy)
			cfg.Existing = c.existing
			if err := c.damage(cfg.Dir); err != nil {
				t.Fatal(err)
			}
			before := listing(t, cfg.Dir)
			_, err := Open(t.Context(), cfg)
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error = %v; want %q in one line saying %q", err, c.kind, c.says)
			}
			if diff := cmp.Diff(before, listing(t, cfg.Dir)); diff != "" {
				t.Errorf("files changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestOpenAcceptsAHealthyPool(t *testing.T) {
	for _, existing := range []bool{false, true} {
		cfg := newConfig(t)
		withPool(t, cfg, poolSize{data: 64 * mib, metadata: 4 * mib})
		cfg.Existing = existing
		b := mustOpen(t, cfg)
		if b.Created() {
			t.Error("Created() = true for existing files")
		}
		mustClose(t, b)
	}
}

func TestOpenRefusesFilesAttachedOtherwise(t *testing.T) {
	cases := []struct {
		name   string
		attach func(t *testing.T, path string)
		says   string
	}{
		{"read-only", attachReadOnly, "read-only"},
		{"with an offset", attachWithOffset, "offset 1048576"},
		{"twice", func(t *testing.T, path string) {
			looptest.AttachFile(t, path)
			looptest.AttachFile(t, path)
		}, "more than one"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cfg := newConfig(t)
			mustClose(t, mustOpen(t, cfg))
			c.attach(t, filepath.Join(cfg.Dir, "data"))
			_, err := Open(t.Context(), cfg)
			if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "losetup -d") {
				t.Errorf("error = %v; want ErrInUse saying %q and how to detach", err, c.says)
			}
		})
	}
}

func attachReadOnly(t *testing.T, path string) {
	t.Helper()
	reconfigure(t, path, func(info *unix.LoopInfo64) { info.Flags |= unix.LO_FLAGS_READ_ONLY })
}

func attachWithOffset(t *testing.T, path string) {
	t.Helper()
	reconfigure(t, path, func(info *unix.LoopInfo64) { info.Offset = mib })
}

// reconfigure attaches the file with settings that package loop never uses.
func reconfigure(t *testing.T, path string, change func(*unix.LoopInfo64)) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	config := unix.LoopConfig{Fd: uint32(f.Fd())}
	config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
	change(&config.Info)
	for range 100 { // other tests of this machine take free devices, too
		if err = configureFree(t, &config); !errors.Is(err, unix.EBUSY) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func configureFree(t *testing.T, config *unix.LoopConfig) error {
	t.Helper()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer control.Close()
	n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return err
	}
	d, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := unix.IoctlLoopConfigure(int(d.Fd()), config); err != nil {
		d.Close()
		return err
	}
	t.Cleanup(func() { d.Close() })
	return nil
}
