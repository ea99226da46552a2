//go:build dmtest

package monitor_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/monitor"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// noGroup is a Grower with nothing to give.
type noGroup struct{}

func (noGroup) Extend(context.Context) error           { return errors.New("no free extents") }
func (noGroup) Reserve(context.Context) (int64, error) { return 0, nil }

// enlarge grows a loop device as the manual says: truncate, losetup -c.
func enlarge(t testing.TB, device string, size int64) {
	t.Helper()
	file := strings.TrimSpace(dmtest.Run(t, "losetup", "--noheadings", "--output", "BACK-FILE", device))
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	dmtest.Run(t, "losetup", "--set-capacity", device)
}

// From full to an error that the application sees takes under a second, whoever
// could extend the pool; everything else goes on; and space that is added is
// used without a restart.
func TestFullPoolFailsTheWriterAndNobodyElse(t *testing.T) {
	for name, grower := range map[string]monitor.Grower{"nobody extends it": nil, "the group is full": noGroup{}} {
		t.Run(name, func(t *testing.T) {
			pool, spec := openPool(t, 16*mib, 4*mib)
			other, otherPath := createActive(t, pool, 1)
			_, path := createActive(t, pool, 2)
			if _, err := write(otherPath, 0, 2*mib); err != nil {
				t.Fatal(err)
			}
			m := watch(t, monitor.Config{Pool: pool, Grower: grower, ExtendPercent: 99})

			took, err := write(path, 0, 32*mib)
			if !errors.Is(err, unix.ENOSPC) || took > time.Second {
				t.Errorf("the write that filled the pool: %v after %v", err, took)
			}
			t.Logf("%v after %v", err, took)
			eventually(t, "noticed", 2*time.Second, func() bool { return m.State().Data.Level == monitor.LevelFull })
			if took, err := write(path, 20*mib, mib); !errors.Is(err, unix.ENOSPC) || took > time.Second {
				t.Errorf("the next write: %v after %v", err, took)
			}
			readsBack(t, otherPath)
			if err := pool.Deactivate(t.Context(), other.Name); err != nil {
				t.Error(err)
			}

			enlarge(t, spec.DataDevice, 64*mib)
			eventually(t, "space taken up", 5*time.Second, func() bool { return status(t, pool).DataTotal == 1024 })
			if _, err := write(path, 0, 32*mib); err != nil {
				t.Errorf("after space was added: %v", err)
			}
			eventually(t, "seen as well again", 5*time.Second, func() bool {
				s := m.State()
				return s.Data.Level == monitor.LevelOK && s.FullSince.IsZero() && s.Problem == ""
			})
			if grower != nil && status(t, pool).ErrorIfNoSpace {
				t.Error("writes would still fail at once")
			}
			readsBack(t, path)
		})
	}
}

// Removing a layer gives room too.
func TestFullPoolTakesWritesAfterALayerIsRemoved(t *testing.T) {
	pool, _ := openPool(t, 16*mib, 4*mib)
	victim, victimPath := createActive(t, pool, 1)
	_, path := createActive(t, pool, 2)
	if _, err := write(victimPath, 0, 8*mib); err != nil {
		t.Fatal(err)
	}
	m := watch(t, monitor.Config{Pool: pool})
	if _, err := write(path, 0, 16*mib); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the pool is not full: %v", err)
	}
	if err := pool.Deactivate(t.Context(), victim.Name); err != nil {
		t.Fatal(err)
	}
	if err := pool.Delete(t.Context(), victim.ID); err != nil {
		t.Fatalf("a full pool must let layers be removed: %v", err)
	}
	if _, err := write(path, 0, 12*mib); err != nil {
		t.Errorf("after a layer was removed: %v", err)
	}
	eventually(t, "seen as well again", 5*time.Second, func() bool { return m.State().FullSince.IsZero() })
}

// fillMetadata makes empty devices, one metadata block each, until there is no
// room for another. The kernel commits after each and drops that commit's
// error, so a device that seemed to be made may not be.
func fillMetadata(t *testing.T, pool *thinpool.Pool) {
	t.Helper()
	for id := thinpool.DeviceID(100); id < 2000; id++ {
		if err := pool.CreateThin(t.Context(), id); err != nil {
			t.Logf("after %d devices: %v", id-100, err)
			return
		}
	}
	t.Fatal("the metadata never got full")
}

//vm:once
func TestFullMetadataIsNoticedAndHealedByMore(t *testing.T) {
	pool, spec := openPool(t, 64*mib, 2*mib)
	_, path := createActive(t, pool, 1)
	if _, err := write(path, 0, 4*mib); err != nil {
		t.Fatal(err)
	}
	m := watch(t, monitor.Config{Pool: pool})
	fillMetadata(t, pool)
	eventually(t, "noticed", 5*time.Second, func() bool { return m.State().Metadata.Level == monitor.LevelFull })
	t.Logf("the pool is %+v", status(t, pool))
	readsBack(t, path)
	if got := m.State(); got.Problem != "" || got.FullSince.IsZero() {
		t.Errorf("got %+v", got)
	}
	enlarge(t, spec.MetadataDevice, 16*mib)
	eventually(t, "space taken up", 5*time.Second, func() bool { return status(t, pool).MetadataTotal == 4096 })
	if err := pool.CreateThin(t.Context(), 3000); err != nil {
		t.Errorf("after space was added: %v", err)
	}
	if _, err := write(path, 4*mib, 4*mib); err != nil {
		t.Errorf("after space was added: %v", err)
	}
}
