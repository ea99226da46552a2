//go:build dmtest

package looplvm_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/backend/looplvm"
	"github.com/dmthin/dmthin/internal/loop/looptest"
	"github.com/dmthin/dmthin/internal/thinpool"
	"github.com/dmthin/dmthin/test/vm/kernellog"
)

const mib = 1 << 20

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// smallHost mounts a filesystem with some 48 MiB left. xfs itself takes no less
// than 300.
func smallHost(t *testing.T, fs string) string {
	t.Helper()
	device, dir := looptest.Image(t, 400*mib).Path, t.TempDir()
	run(t, "mkfs."+fs, "-q", device)
	run(t, "mount", device, dir)
	t.Cleanup(func() { unmount(t, dir) })
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	run(t, "fallocate", "-l", strconv.FormatInt(int64(st.Bavail)*st.Bsize-48*mib, 10), dir+"/other")
	return dir
}

// unmount waits for udev's programs, which open a loop device for a moment: its
// file is in use until the last has closed it.
func unmount(t *testing.T, dir string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := unix.Unmount(dir, 0)
		if err == nil {
			return
		}
		if err != unix.EBUSY || time.Now().After(deadline) {
			t.Errorf("unmount %s: %v", dir, err)
			return
		}
	}
}

func openPool(t *testing.T, b *looplvm.Backend) *thinpool.Pool {
	t.Helper()
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	pool, err := thinpool.Open(t.Context(), thinpool.Spec{
		Name: "dmtest-hostfull", UUID: "DMTEST-H-pool", DataDevice: b.DataDevice(), MetadataDevice: b.MetadataDevice(),
		BlockSize: 64 << 10, ErrorIfNoSpace: true,
	}, logrus.NewEntry(logger))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pool.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return pool
}

// writeAll writes MiB after MiB to a device, past the page cache, until one
// fails.
func writeAll(path string, count int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	block, err := unix.Mmap(-1, 0, mib, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Munmap(block) }()
	copy(block, "dmthin")
	for range count {
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	return nil
}

// The host's disk is full before the pool is. That must fail the writer, and
// nothing else: the pool stays writable, and goes on once there is room.
//
//vm:once
func TestFullHostDiskFailsTheWriterButNotThePool(t *testing.T) {
	for _, pattern := range []string{`I/O error, dev loop`, `Buffer I/O error on dev`} {
		if err := kernellog.Expect(pattern); err != nil {
			t.Fatal(err)
		}
	}
	for _, fs := range []string{"ext4", "xfs"} {
		t.Run(fs, func(t *testing.T) {
			dir := smallHost(t, fs)
			b, err := looplvm.Open(t.Context(), looplvm.Config{Dir: dir + "/devicemapper", DataSize: 2048 * mib, MetadataSize: 32 * mib})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if err := b.ReserveMetadata(0); err != nil {
				t.Fatal(err)
			}
			pool := openPool(t, b)
			if err := pool.CreateThin(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			thin := thinpool.Thin{Name: "dmtest-hostfull-1", UUID: "DMTEST-H-1", ID: 1, Size: 1024 * mib}
			node, err := pool.Activate(t.Context(), thin, false)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := pool.Deactivate(context.Background(), thin.Name); err != nil {
					t.Error(err)
				}
			}()
			err = writeAll(node.Path, 1000)
			t.Log(err)
			if err == nil {
				t.Fatal("the host's disk never got full")
			}
			for id := thinpool.DeviceID(2); id < 100; id++ { // metadata goes on being written
				if err := pool.CreateThin(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
			status, err := pool.Status(t.Context())
			if err != nil || status.Check() != nil {
				t.Errorf("%+v, %v", status, errors.Join(err, status.Check()))
			}
			if free, err := b.HostFree(); err != nil || free > 16*mib {
				t.Errorf("%d bytes free, %v", free, err)
			}
		})
	}
}
