//go:build roottest

package looplvm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop"
)

const mib = 1 << 20

func newConfig(t *testing.T) Config {
	t.Helper()
	return Config{Dir: filepath.Join(t.TempDir(), "devicemapper"), DataSize: 64 * mib, MetadataSize: 4 * mib}
}

func mustOpen(t *testing.T, cfg Config) *Backend {
	t.Helper()
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustClose(t *testing.T, b *Backend) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// withPool leaves files in which a pool of the given sizes lives.
func withPool(t *testing.T, cfg Config, size poolSize) {
	t.Helper()
	mustClose(t, mustOpen(t, cfg))
	block := fakeSuperblock(size)
	writeAt(t, filepath.Join(cfg.Dir, "metadata"), block, 0)
	writeAt(t, filepath.Join(cfg.Dir, "data"), []byte("a layer"), mib)
}

func writeAt(t *testing.T, path string, b []byte, off int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// listing maps names to sizes and allocated blocks.
func listing(t *testing.T, dir string) map[string][2]int64 {
	t.Helper()
	all := map[string][2]int64{}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, e.Name()), &st); err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = [2]int64{st.Size, st.Blocks}
	}
	return all
}

func TestOpenMakesSparsePrivateFiles(t *testing.T) {
	cfg := newConfig(t)
	b := mustOpen(t, cfg)
	defer mustClose(t, b)
	if !b.Created() {
		t.Error("Created() = false for files made now")
	}
	want := map[string][2]int64{"data": {64 * mib, 0}, "metadata": {4 * mib, 0}}
	if diff := cmp.Diff(want, listing(t, cfg.Dir)); diff != "" {
		t.Errorf("files, sizes and blocks (-want +got):\n%s", diff)
	}
	for path, mode := range map[string]os.FileMode{cfg.Dir: 0o700, b.DataFile(): 0o600, b.MetadataFile(): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, %v; want %v", path, info.Mode().Perm(), err, mode)
		}
	}
	if n, err := b.DataSize(); err != nil || n != 64*mib {
		t.Errorf("data device has %d bytes, %v", n, err)
	}
	if n, err := b.MetadataSize(); err != nil || n != 4*mib {
		t.Errorf("metadata device has %d bytes, %v", n, err)
	}
}

func TestDevicesAreAttachedToTheRightFiles(t *testing.T) {
	b := mustOpen(t, newConfig(t))
	defer mustClose(t, b)
	for device, file := range map[string]string{b.DataDevice(): b.DataFile(), b.MetadataDevice(): b.MetadataFile()} {
		got, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(device), "loop/backing_file"))
		if err != nil || strings.TrimSpace(string(got)) != file {
			t.Errorf("%s has file %q, %v; want %s", device, got, err, file)
		}
	}
}

// A pool keeps the devices open; the process that made it may have crashed.
func TestOpenReusesDevicesThatAreStillAttached(t *testing.T) {
	cfg := newConfig(t)
	first := mustOpen(t, cfg)
	user, err := os.Open(first.DataDevice()) // stands for the pool
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close()
	device := first.DataDevice()
	mustClose(t, first)

	second := mustOpen(t, cfg)
	defer mustClose(t, second)
	if second.DataDevice() != device {
		t.Errorf("data device = %s, want the attached %s", second.DataDevice(), device)
	}
	if second.Created() {
		t.Error("Created() = true for files of an earlier process")
	}
}

func TestOpenGrowsFilesAndAttachedDevices(t *testing.T) {
	cfg := newConfig(t)
	first := mustOpen(t, cfg)
	defer mustClose(t, first) // keeps the devices attached at their old size
	cfg.DataSize, cfg.MetadataSize = 128*mib, 8*mib
	b := mustOpen(t, cfg)
	defer mustClose(t, b)
	if n, err := b.DataSize(); err != nil || n != 128*mib {
		t.Errorf("data device has %d bytes, %v; want %d", n, err, 128*mib)
	}
	if n, err := b.MetadataSize(); err != nil || n != 8*mib {
		t.Errorf("metadata device has %d bytes, %v; want %d", n, err, 8*mib)
	}
}

func TestOpenKeepsALargerFileAndWarns(t *testing.T) {
	cfg := newConfig(t)
	mustClose(t, mustOpen(t, cfg))
	log, hook := logtest.NewNullLogger()
	cfg.DataSize, cfg.Log = 32*mib, log
	b := mustOpen(t, cfg)
	defer mustClose(t, b)
	if n, err := b.DataSize(); err != nil || n != 64*mib {
		t.Errorf("data device has %d bytes, %v; want the old %d", n, err, 64*mib)
	}
	if len(hook.Entries) != 1 || hook.LastEntry().Level != logrus.WarnLevel ||
		!strings.Contains(hook.LastEntry().Message, "dm.loopdatasize") {
		t.Errorf("log = %v, want one warning naming dm.loopdatasize", hook.Entries)
	}
}

func TestGrowWhileAttached(t *testing.T) {
	b := mustOpen(t, newConfig(t))
	defer mustClose(t, b)
	if err := b.GrowData(100 * mib); err != nil {
		t.Fatal(err)
	}
	if err := b.GrowMetadata(5 * mib); err != nil {
		t.Fatal(err)
	}
	if err := b.GrowMetadata(mib); err != nil {
		t.Errorf("growing to less: %v", err)
	}
	data, err1 := b.DataSize()
	metadata, err2 := b.MetadataSize()
	if data != 100*mib || metadata != 5*mib || err1 != nil || err2 != nil {
		t.Errorf("sizes = %d, %d, %v, %v", data, metadata, err1, err2)
	}
}

func TestCloseDetachesOnceThePoolIsGone(t *testing.T) {
	cfg := newConfig(t)
	b := mustOpen(t, cfg)
	mustClose(t, b)
	f, err := os.Open(filepath.Join(cfg.Dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 100 {
		d, err := loop.Find(f)
		if errors.Is(err, loop.ErrNotAttached) {
			return
		}
		if err == nil {
			d.Close()
		}
	}
	t.Error("the data file is still attached")
}

func TestHostFreeIsTheFilesystems(t *testing.T) {
	b := mustOpen(t, newConfig(t))
	defer mustClose(t, b)
	got, err := b.HostFree()
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(b.DataFile()), &st); err != nil {
		t.Fatal(err)
	}
	want := int64(st.Bfree) * st.Bsize
	if err != nil || got <= 0 || got < want-1<<30 || got > want+1<<30 {
		t.Errorf("HostFree() = %d, %v; statfs says %d", got, err, want)
	}
}

// A crash between the making of the two files leaves one, never written to.
func TestOpenFinishesWhatACrashInterrupted(t *testing.T) {
	for _, lost := range []string{"data", "metadata"} {
		t.Run(lost, func(t *testing.T) {
			cfg := newConfig(t)
			mustClose(t, mustOpen(t, cfg))
			if err := os.Remove(filepath.Join(cfg.Dir, lost)); err != nil {
				t.Fatal(err)
			}
			b := mustOpen(t, cfg)
			defer mustClose(t, b)
			if !b.Created() {
				t.Error("Created() = false")
			}
		})
	}
}

func TestOpenRefusesSizesThatAreNotPositive(t *testing.T) {
	cfg := newConfig(t)
	cfg.DataSize = 0
	if _, err := Open(t.Context(), cfg); err == nil {
		t.Error("no error")
	}
	if got := listing(t, cfg.Dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestAFailedOpenLeavesNoNewFile(t *testing.T) {
	cfg := newConfig(t)
	cfg.MetadataSize = 1 << 62
	if _, err := Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "metadata file") {
		t.Errorf("error = %v, want one naming the metadata file", err)
	}
	if got := listing(t, cfg.Dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}
