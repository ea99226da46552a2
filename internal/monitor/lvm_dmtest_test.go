//go:build dmtest

package monitor_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/monitor"
	"github.com/dmthin/dmthin/internal/thinpool"
)

const group = "dmtestwatched"

// policy extends pools, as a profile or lvm.conf would have it.
const policy = "activation{thin_pool_autoextend_threshold=70 thin_pool_autoextend_percent=50 monitoring=0}"

// policies extends a pool of LVM's by its policy.
type policies struct{}

func (policies) Extend(ctx context.Context) error {
	_, err := output(ctx, "lvextend", "--config", policy, "--use-policies", group+"/pool")
	return err
}

func (policies) Reserve(ctx context.Context) (int64, error) { return groupFree(ctx) }

// newGroup makes a volume group on loop devices and in it a pool of 32 MiB.
func newGroup(t *testing.T, disk int64) *thinpool.Pool {
	t.Helper()
	device := dmtest.Loop(t, disk)
	lvm(t, "vgcreate", "--physicalextentsize", "1m", group, device)
	t.Cleanup(func() { lvm(t, "vgremove", "--force", "--force", "--yes", group) })
	lvm(t, "lvcreate", "--type", "thin-pool", "--size", "32m", "--poolmetadatasize", "2m", "--chunksize", "64k",
		"--poolmetadataspare", "n", "--zero", "n", "--name", "pool", group)
	pool, err := thinpool.Adopt(t.Context(), group+"-pool", prefix, logTo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deactivateAll(t, pool) })
	return pool
}

func lvm(t testing.TB, name string, args ...string) {
	t.Helper()
	dmtest.Run(t, name, append([]string{"--config", policy}, args...)...)
}

func groupFree(ctx context.Context) (int64, error) {
	out, err := output(ctx, "vgs", "--noheadings", "--nosuffix", "--units", "b", "--options", "vg_free", group)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(out), 10, 64)
}

// The writer is faster than anything that only looks every few seconds, and
// needs several extensions.
//
//vm:once
func TestPoolExtendedWhileWritingNeverShowsAnError(t *testing.T) {
	pool := newGroup(t, 512*mib)
	_, path := createActive(t, pool, 1)
	m := watch(t, monitor.Config{Pool: pool, Grower: policies{}, ExtendPercent: 70})
	start := time.Now()
	if _, err := write(path, 0, 200*mib); err != nil {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	t.Logf("200 MiB in %v", time.Since(start))
	eventually(t, "all extensions done", 10*time.Second, func() bool {
		s := m.State()
		return s.Extensions.Done >= 4 && s.Data.Level == monitor.LevelOK
	})
	if got := m.State(); got.Extensions.Failed != 0 || got.Pool.ErrorIfNoSpace || got.Extensions.Reserve <= 0 {
		t.Errorf("got %+v", got)
	}
	readsBack(t, path)
	metadataIsExtendedToo(t, pool)
}

// metadataIsExtendedToo makes empty devices, one metadata block each, until the
// threshold is reached.
func metadataIsExtendedToo(t *testing.T, pool *thinpool.Pool) {
	t.Helper()
	before := status(t, pool)
	for id := thinpool.DeviceID(100); status(t, pool).MetadataUsed*100 <= before.MetadataTotal*71; id++ {
		if err := pool.CreateThin(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "metadata extended", 15*time.Second, func() bool { return status(t, pool).MetadataTotal > before.MetadataTotal })
}

func TestFullGroupFailsWritesUntilADiskIsAdded(t *testing.T) {
	pool := newGroup(t, 64*mib)
	_, path := createActive(t, pool, 1)
	m := watch(t, monitor.Config{Pool: pool, Grower: policies{}, ExtendPercent: 70, HowToGrow: "add a disk with vgextend"})
	took, err := write(path, 0, 200*mib)
	if !errors.Is(err, unix.ENOSPC) || took > 3*time.Second { // LVM itself needs most of that here
		t.Errorf("the pool is full: %v after %v", err, took)
	}
	t.Logf("%v after %v", err, took)
	if took, err := write(path, 150*mib, mib); !errors.Is(err, unix.ENOSPC) || took > time.Second {
		t.Errorf("the next write: %v after %v", err, took)
	}
	if got := m.State().Extensions; got.Failed == 0 || got.Failure == "" {
		t.Errorf("got %+v", got)
	}
	readsBack(t, path)

	lvm(t, "vgextend", group, dmtest.Loop(t, 512*mib))
	eventually(t, "extended", 20*time.Second, func() bool { return m.State().FullSince.IsZero() })
	if _, err := write(path, 0, 200*mib); err != nil {
		t.Errorf("after a disk was added: %v", err)
	}
	eventually(t, "writes wait again", 5*time.Second, func() bool { return !status(t, pool).ErrorIfNoSpace })
}
