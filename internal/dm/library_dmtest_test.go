//go:build dmtest

package dm_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/internal/dm/dmtest"
)

func TestKernelIsProbed(t *testing.T) {
	if version, err := dm.Version(); err != nil || !strings.HasPrefix(version, "4.") {
		t.Errorf("driver %q, %v", version, err)
	}
	if version, err := dm.LibraryVersion(); err != nil || !strings.HasPrefix(version, "1.02.") {
		t.Errorf("library %q, %v", version, err)
	}
	if ok, err := dm.DeferredRemoveSupported(); !ok || err != nil {
		t.Errorf("deferred removal: %v, %v", ok, err)
	}
	versions, err := dm.TargetVersions()
	if err != nil || versions["linear"] == [3]uint32{} || versions["error"] == [3]uint32{} {
		t.Errorf("targets: %v, %v", versions, err)
	}
}

func TestProgramsDoNotInheritTheControlDescriptor(t *testing.T) {
	if _, err := dm.List(); err != nil {
		t.Fatal(err)
	}
	if out := dmtest.Run(t, "sh", "-c", "ls -l /proc/$$/fd"); strings.Contains(out, "/dev/mapper/control") {
		t.Errorf("it did:\n%s", out)
	}
}

func TestLibraryLogHonoursItsLevel(t *testing.T) {
	t.Cleanup(func() { _ = dm.SetLog(nil, dm.MinLogLevel) })
	logger, entries := logtest.NewNullLogger()
	logger.SetLevel(logrus.DebugLevel)
	failing := func(level int) []*logrus.Entry {
		entries.Reset()
		if err := dm.SetLog(logrus.NewEntry(logger), level); err != nil {
			t.Fatal(err)
		}
		wantErrno(t, dm.Resume(dm.ID{Name: "dmtest-none"}), syscall.ENXIO)
		return entries.AllEntries()
	}
	if got := failing(2); len(got) != 0 {
		t.Errorf("level 2: %q", got[0].Message)
	}
	got := failing(3)
	if len(got) != 1 || got[0].Level != logrus.ErrorLevel || !strings.Contains(got[0].Message, "dmtest-none") {
		t.Errorf("level 3: %v", got)
	}
	got = failing(7)
	if len(got) < 2 || got[0].Level != logrus.DebugLevel {
		t.Errorf("level 7: %v", got)
	}
	if err := dm.SetLog(nil, 7); err != nil {
		t.Fatal(err)
	}
	entries.Reset()
	wantErrno(t, dm.Resume(dm.ID{Name: "dmtest-none"}), syscall.ENXIO)
	if got := entries.AllEntries(); len(got) != 0 {
		t.Errorf("no log: %q", got[0].Message)
	}
}

// The point of the package: calls for different devices run side by side and
// know nothing of each other, synced ones and renames included.
func TestParallelCallsDoNotMix(t *testing.T) {
	const workers, rounds = 8, 3 // udevd needs seconds for the events of each
	settleUdev(t)
	before := semaphores(t)
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for round := range rounds {
				if err := lifeCycle(t, worker, round); err != nil {
					t.Errorf("worker %d, round %d: %v", worker, round, err)
					return
				}
			}
		})
	}
	group.Wait()
	if after := semaphores(t); after != before {
		t.Errorf("%d semaphores, %d before", after, before)
	}
}

// lifeCycle takes one device through every call, and one that is not there.
func lifeCycle(t *testing.T, worker, round int) error {
	name := fmt.Sprintf("dmtest-parallel-%d", worker)
	dev := dm.ID{Name: name, UUID: "DMTEST-" + name}
	sectors := uint64(8 + 8*(worker*10+round))
	sync := worker%4 == 0 && round == 0
	defer removeIfThere(t, dev)
	if _, err := dm.Create(t.Context(), dev, errorTable(sectors), dm.CreateOptions{Udev: dm.UdevWait{Wait: sync}}); err != nil {
		return err
	}
	wantErrno(t, dm.Resume(dm.ID{Name: name + "-none"}), syscall.ENXIO)
	wantErrno(t, dm.Message(dev, "x"), syscall.EINVAL)
	wantErrno(t, dm.Rename(name, name), syscall.EBUSY)
	if err := dm.Rename(name, name+"-b"); err != nil {
		return err
	}
	table, err := dm.Table(dev)
	if err != nil {
		return err
	}
	if table[0].Length != sectors {
		return fmt.Errorf("table %v is another device's", table)
	}
	info, err := dm.Lookup(dev)
	if err != nil || info.Name != name+"-b" || info.UUID != dev.UUID {
		return fmt.Errorf("info %+v is another device's (%w)", info, err)
	}
	f, err := os.Open(info.Path())
	if err != nil {
		return err
	}
	wantErrno(t, dm.Remove(t.Context(), dev, dm.RemoveOptions{}), syscall.EBUSY)
	if err := f.Close(); err != nil {
		return err
	}
	if _, err := dm.List(); err != nil {
		return err
	}
	return dm.Remove(t.Context(), dev, dm.RemoveOptions{})
}
