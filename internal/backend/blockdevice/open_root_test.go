//go:build roottest

package blockdevice

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop/looptest"
)

const mib = 1 << 20

func config(t *testing.T) Config {
	t.Helper()
	return Config{Dir: filepath.Join(t.TempDir(), "devicemapper"), DataSize: 64 * mib, MetadataSize: 4 * mib}
}

func open(t *testing.T, cfg Config) (*Backend, error) {
	t.Helper()
	b, err := Open(t.Context(), cfg)
	if err == nil {
		t.Cleanup(func() { _ = b.Close() })
	}
	return b, err
}

func put(t *testing.T, device string, content []byte, at int64) {
	t.Helper()
	f, err := os.OpenFile(device, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(content, at)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// makePool writes as much of a superblock as this package looks at.
func makePool(t *testing.T, device string) {
	t.Helper()
	block := make([]byte, firstBlock)
	binary.LittleEndian.PutUint64(block[magicAt:], superblockMagic)
	put(t, device, block, 0)
}

func wantError(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error %v, want %v", err, kind)
		return
	}
	for _, w := range append(words, "device") {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
}

func TestBothDevicesAreTheOperators(t *testing.T) {
	cfg := config(t)
	cfg.DataDevice, cfg.MetadataDevice = looptest.Image(t, 64*mib).Path, looptest.Image(t, 4*mib).Path
	b, err := open(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if b.DataDevice() != cfg.DataDevice || b.MetadataDevice() != cfg.MetadataDevice || b.DataFile() != "" || b.MetadataFile() != "" {
		t.Errorf("%s %s %q %q", b.DataDevice(), b.MetadataDevice(), b.DataFile(), b.MetadataFile())
	}
	if err := b.GrowData(128 * mib); !errors.Is(err, ErrNoFile) {
		t.Errorf("growing a device: %v", err)
	}
}

func TestTheOneThatIsLeftOutIsALoopFile(t *testing.T) {
	cfg := config(t)
	cfg.DataDevice = looptest.Image(t, 64*mib).Path
	b, err := open(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(b.MetadataFile())
	if err != nil || info.Size() != 4*mib || !strings.HasPrefix(b.MetadataDevice(), "/dev/loop") {
		t.Errorf("%s: %v, %v", b.MetadataFile(), info, err)
	}
	if err := b.GrowMetadata(8 * mib); err != nil {
		t.Error(err)
	}
	again, err := open(t, cfg)
	if err != nil || again.MetadataDevice() != b.MetadataDevice() {
		t.Errorf("a second start attached it again: %v", err)
	}

	other := config(t)
	other.MetadataDevice = looptest.Image(t, 4*mib).Path
	if b, err = open(t, other); err != nil || filepath.Base(b.DataFile()) != "data" {
		t.Errorf("metadata device alone: %v", err)
	}
	other.Existing = true
	other.Dir = t.TempDir()
	makePool(t, other.MetadataDevice)
	_, err = Open(t.Context(), other)
	wantError(t, err, ErrMissing, "data", "restore it from backup")
}

func TestDeviceWithSomethingOnItIsRefusedAndLeftAlone(t *testing.T) {
	data, metadata := looptest.Image(t, 64*mib).Path, looptest.Image(t, 4*mib).Path
	if out, err := exec.Command("mkfs.ext4", "-q", data).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cfg := config(t)
	cfg.DataDevice, cfg.MetadataDevice = data, metadata
	_, err := Open(t.Context(), cfg)
	wantError(t, err, ErrNotEmpty, data, "ext4", "wipefs --all")

	cfg.DataDevice = looptest.Image(t, 64*mib).Path
	put(t, metadata, []byte("something"), 100)
	_, err = Open(t.Context(), cfg)
	wantError(t, err, ErrNotEmpty, metadata, "not blank", "dd if=/dev/zero")

	makePool(t, metadata)
	_, err = Open(t.Context(), cfg)
	wantError(t, err, ErrNotEmpty, metadata, "thin pool", "records")

	_, err = Open(t.Context(), Config{Dir: cfg.Dir, DataDevice: "/dev/null", MetadataSize: 4 * mib})
	wantError(t, err, ErrUnsuitable, "/dev/null")

	fd, err := unix.Open(data, unix.O_RDONLY|unix.O_EXCL, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	cfg.DataDevice = data
	_, err = Open(t.Context(), cfg)
	wantError(t, err, ErrInUse, data)
}

// The pool may have been made by a start that crashed before it had a record.
func TestDevicesThatHavePassedOnceAreNotLookedAtAgain(t *testing.T) {
	cfg := config(t)
	cfg.DataDevice, cfg.MetadataDevice = looptest.Image(t, 64*mib).Path, looptest.Image(t, 4*mib).Path
	if _, err := open(t, cfg); err != nil {
		t.Fatal(err)
	}
	makePool(t, cfg.MetadataDevice)
	if _, err := open(t, cfg); err != nil {
		t.Errorf("the next start: %v", err)
	}
	cfg.MetadataDevice = looptest.Image(t, 4*mib).Path
	makePool(t, cfg.MetadataDevice)
	if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("another device: %v", err)
	}
}

func TestDevicesOfExistingLayersMustHoldThem(t *testing.T) {
	cfg := config(t)
	cfg.Existing = true
	cfg.DataDevice, cfg.MetadataDevice = looptest.Image(t, 64*mib).Path, looptest.Image(t, 4*mib).Path
	_, err := Open(t.Context(), cfg)
	wantError(t, err, ErrMissing, cfg.MetadataDevice, "records", "/dev/disk/by-id")
	makePool(t, cfg.MetadataDevice)
	if _, err := open(t, cfg); err != nil {
		t.Error(err)
	}
	cfg.DataDevice = "/dev/no-such-disk"
	_, err = Open(t.Context(), cfg)
	wantError(t, err, ErrMissing, "/dev/no-such-disk", "attach it")
}
