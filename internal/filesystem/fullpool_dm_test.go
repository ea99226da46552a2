//go:build dmtest

package filesystem

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop/looptest"
	"github.com/dmthin/dmthin/test/vm/kernellog"
)

// thinDevice returns a thin device of 512 MiB in a pool that holds less, and
// fails writes when it is full.
func thinDevice(t *testing.T, poolSize int64) string {
	t.Helper()
	for _, pattern := range []string{`switching pool to out-of-data-space`, `Buffer I/O error on dev dm-`, `metadata I/O error`, `EXT4-fs`, `XFS .dm-`, `JBD2`} {
		if err := kernellog.Expect(pattern); err != nil {
			t.Fatal(err)
		}
	}
	data, metadata := looptest.Image(t, poolSize).Path, looptest.Image(t, 4*mib).Path
	dmsetup(t, "create", "dmtest-full", "--table",
		fmt.Sprintf("0 %d thin-pool %s %s 128 0 2 skip_block_zeroing error_if_no_space", poolSize/512, metadata, data))
	t.Cleanup(func() { dmsetup(t, "remove", "--retry", "dmtest-full") })
	dmsetup(t, "message", "dmtest-full", "0", "create_thin 0")
	dmsetup(t, "create", "dmtest-full-0", "--table", fmt.Sprintf("0 %d thin /dev/mapper/dmtest-full 0", 512*mib/512))
	t.Cleanup(func() { dmsetup(t, "remove", "--retry", "dmtest-full-0") })
	path, err := filepath.EvalSymlinks("/dev/mapper/dmtest-full-0")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func dmsetup(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("dmsetup", args...).CombinedOutput(); err != nil {
		t.Fatalf("dmsetup %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// writeUntilError writes and syncs files of 1 MiB until one fails.
func writeUntilError(dir string) error {
	content := make([]byte, mib)
	for n := range 1000 {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(n)))
		if err != nil {
			return err
		}
		_, err = f.Write(content)
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return errors.New("nothing failed")
}

// makeUntilError makes empty files, for which the filesystem has to write
// nothing but its own structures.
func makeUntilError(dir string) error {
	for n := range 50 {
		sub := filepath.Join(dir, fmt.Sprintf("d%d", n))
		if err := os.Mkdir(sub, 0o700); err != nil {
			return err
		}
		for n := range 100 {
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprint(n)), nil, 0o600); err != nil {
				return err
			}
		}
	}
	return Sync(dir)
}

// The pool is full before the filesystem is: whoever writes must hear of it,
// and the mount must still be got rid of, also where xfs was left to try its
// metadata writes again for ever.
func TestWriterToAFullPoolGetsENOSPCAndTheUnmountEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		kind    Type
		retries int
	}{
		"ext4":             {Ext4, 0},
		"xfs":              {XFS, 0},
		"xfs that retries": {XFS, -1},
	} {
		t.Run(name, func(t *testing.T) {
			device := thinDevice(t, 96*mib)
			if err := Format(t.Context(), device, tt.kind, nil); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := Mount(t.Context(), device, dir, tt.kind, MountOptions{}); err != nil {
				t.Fatal(err)
			}
			if tt.kind == XFS {
				if err := SetNoSpaceRetries(device, tt.retries); err != nil {
					t.Error(err)
				}
			}
			start := time.Now()
			err := writeUntilError(dir)
			t.Logf("%v after %v", err, time.Since(start))
			// Where the journal itself is the first that finds no space, ext4
			// stops and has only EIO to say: its journal gets its blocks as it
			// is written, and so needs some of the pool as well.
			if stopped := tt.kind == Ext4 && errors.Is(err, unix.EIO); !stopped && !errors.Is(err, unix.ENOSPC) {
				t.Errorf("got %v, want ENOSPC", err)
			}
			start = time.Now()
			err = makeUntilError(dir)
			t.Logf("%v after %v", err, time.Since(start))
			start = time.Now()
			detached, err := Unmount(t.Context(), dir)
			took := time.Since(start)
			t.Logf("unmounted in %v", took)
			if detached || err != nil || took > 5*time.Second {
				t.Errorf("unmount: %v, %v after %v", detached, err, took)
			}
		})
	}
}
