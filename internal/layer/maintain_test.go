package layer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/state"
)

// age makes a layer's record look older.
func (d *daemon) age(t *testing.T, id string, by time.Duration) {
	t.Helper()
	then := time.Now().Add(-by)
	must(t, os.Chtimes(filepath.Join(d.records.Dir(), "metadata", id), then, then))
}

func TestCollectSparesWhatMayBeInUse(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	for _, id := range []string{"old", "young", "mounted", "parent"} {
		create(t, d, id, "")
	}
	create(t, d, "child", "parent")
	must(t, d.Snapshot(t.Context(), "mine", "old"))
	get(t, d, "mounted")
	for _, id := range []string{"old", "mounted", "parent", "mine"} {
		d.age(t, id, time.Hour)
	}
	o := CollectOptions{MinAge: 10 * time.Minute}
	for _, id := range []string{"young", "mounted", "parent", "mine"} {
		mustFail(t, d.Collect(t.Context(), id, o), ErrInUse)
	}
	mustFail(t, d.Collect(t.Context(), "nobody", o), ErrUnknown)
	must(t, d.Remove(t.Context(), "mine"))
	dry := o
	dry.DryRun = true
	must(t, d.Collect(t.Context(), "old", dry))
	if !d.Exists("old") {
		t.Fatal("a dry run removed a layer")
	}
	must(t, d.Collect(t.Context(), "old", o))
	if d.Exists("old") {
		t.Error("the layer is still there")
	}
	checkWhole(t, w, d, nil)
}

func TestADryRunCountsChildrenThatGoToo(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "parent", "")
	create(t, d, "child", "parent")
	going := map[string]bool{"child": true}
	must(t, d.Collect(t.Context(), "parent", CollectOptions{DryRun: true, Going: going}))
	mustFail(t, d.Collect(t.Context(), "parent", CollectOptions{Going: going}), ErrInUse)
}

func TestAnOperatorsRemovalSparesMountedLayersAndParents(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "parent", "")
	create(t, d, "child", "parent")
	get(t, d, "child")
	mustFail(t, d.RemoveUnused(t.Context(), "child", true), ErrInUse)
	mustFail(t, d.RemoveUnused(t.Context(), "parent", false), ErrInUse)
	mustFail(t, d.RemoveUnused(t.Context(), "nobody", true), ErrUnknown)
	must(t, d.RemoveUnused(t.Context(), "parent", true))
	if d.Exists("parent") || !d.Exists("child") {
		t.Error("the wrong layer is gone")
	}
}

func TestALeakedDeviceIsDiscardedAndDeleted(t *testing.T) {
	w := newWorld(t)
	w.mustStart(t).kill()
	w.devices[77] = thinDev{}
	d := w.mustStart(t)
	if sum, err := d.Summary(t.Context()); err != nil || !slices.Equal(sum.Leaked, d.leaked) || len(sum.Leaked) != 1 {
		t.Fatalf("Summary = %+v, %v", sum, err)
	}
	w.took()
	must(t, d.DeleteLeaked(t.Context(), 77, 1<<20))
	calls := w.took()
	if !slices.Contains(calls, "discard 77") || !slices.Contains(calls, "delete 77") {
		t.Errorf("calls %v", calls)
	}
	sum, err := d.Summary(t.Context())
	must(t, err)
	if len(sum.Leaked) != 0 || len(sum.Problems) != 0 {
		t.Errorf("Summary = %+v", sum)
	}
	checkWhole(t, w, d, nil)
}

func TestADeviceThatARecordMayNameIsNoLeak(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	info, err := d.Info(t.Context(), "a")
	must(t, err)
	mustFail(t, d.DeleteLeaked(t.Context(), 1, 0), ErrInUse) // the base device
	mustFail(t, d.DeleteLeaked(t.Context(), 2, 0), ErrInUse)
	d.kill()
	must(t, os.WriteFile(filepath.Join(w.dir, "state/metadata/a"), []byte("{"), 0o600))
	d = w.mustStart(t)
	mustFail(t, d.DeleteLeaked(t.Context(), 2, 0), ErrInUse) // the damaged record's own
	if _, ok := w.devices[2]; !ok || info.DeviceID != 2 {
		t.Error("the layer's device is gone")
	}
}

func TestACrashWhileALeakIsDeletedIsFinishedByTheNextStart(t *testing.T) {
	for n := 1; n < 8; n++ {
		w := newWorld(t)
		w.mustStart(t).kill()
		w.devices[77] = thinDev{}
		d := w.mustStart(t)
		d.reclaimer.stop()
		if !w.crashAt(n, func() { _ = d.DeleteLeaked(t.Context(), 77, 1<<20) }) {
			break
		}
		d.kill()
		d = w.mustStart(t)
		checkWhole(t, w, d, nil)
		d.kill()
	}
}

func TestTrimReachesMountedLayersOrTheNamedOnes(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "image", "")
	create(t, d, "container", "image")
	get(t, d, "container")
	var seen []string
	done := func(r Trimmed) { seen = append(seen, r.ID) }
	w.took()
	must(t, d.Trim(t.Context(), nil, done))
	must(t, d.Trim(t.Context(), []string{"image"}, done))
	if !slices.Equal(seen, []string{"container", "image"}) {
		t.Errorf("trimmed %v", seen)
	}
	if calls := w.took(); !slices.Contains(calls, "trim image") || !slices.Contains(calls, "unmount image") || slices.Contains(calls, "unmount container") {
		t.Errorf("calls %v", calls)
	}
	w.failOn("trim", unix.EOPNOTSUPP)
	var failure error
	must(t, d.Trim(t.Context(), nil, func(r Trimmed) { failure = r.Err }))
	mustFail(t, failure, unix.EOPNOTSUPP)
}

func TestTheFreeSpaceOfAPoolIsTakenInPartsAndGivenBack(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	w.took()
	const total = 1000 * 64 << 10
	var reports int
	bytes, err := d.TrimPool(t.Context(), func(done, all int64) {
		reports++
		if all != total || done >= all {
			t.Errorf("progress %d of %d", done, all)
		}
	})
	must(t, err)
	d.settled(t)
	calls := w.took()
	taken := slices.DeleteFunc(slices.Clone(calls), func(c string) bool { return !strings.HasPrefix(c, "allocate") })
	if bytes != total || reports != 2 || len(taken) != 2 || !strings.HasSuffix(taken[0], " 32768000") {
		t.Errorf("%d bytes in %d steps: %v", bytes, reports, taken)
	}
	if d.Exists(trimName) {
		t.Error("its device is still a layer")
	}
	checkWhole(t, w, d, nil)
}

func TestTrimmingAPoolLeavesLayersTheirReserve(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	w.used = 950
	_, err := d.TrimPool(t.Context(), func(int64, int64) {})
	mustFail(t, err, ErrPoolLow)
	if calls := w.took(); slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, "allocate") }) {
		t.Errorf("calls %v", calls)
	}
}

func TestAFilesystemIsCheckedOnASnapshotThatGoesAway(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	get(t, d, "a")
	w.damage = []string{"inode 7 is odd"}
	damage, err := d.CheckFilesystem(t.Context(), "a")
	must(t, err)
	if !slices.Equal(damage, w.damage) {
		t.Errorf("damage %q", damage)
	}
	if ids := d.IDs(); !slices.Equal(ids, []string{"a"}) {
		t.Errorf("layers %v", ids)
	}
	checkWhole(t, w, d, map[string]string{"a": ""})
	w.failOn("mount check-a", unix.EUCLEAN)
	if damage, err = d.CheckFilesystem(t.Context(), "a"); err != nil || len(damage) != 1 {
		t.Errorf("CheckFilesystem of one that can't be mounted = %q, %v", damage, err)
	}
}

func TestACrashInAFilesystemCheckLeavesNoSnapshot(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	if !w.crashAt(11, func() { _, _ = d.CheckFilesystem(t.Context(), "a") }) {
		t.Fatal("the check ended before the crash")
	}
	d.kill()
	d = w.mustStart(t)
	checkWhole(t, w, d, map[string]string{"a": ""})
	if d.Exists("check-a") {
		t.Error("the snapshot is still there")
	}
}

func TestAnInspectionSeesPoolAndRecordsBetweenTwoChanges(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	must(t, d.Inspect(t.Context(), func(in Inspection) error {
		if in.Intent.OpenTransactionID != in.Status.TransactionID || len(in.Records.Layers) != 2 || in.Metadata == "" {
			t.Errorf("%+v", in)
		}
		create(t, d, "b", "a") // a look holds up no change
		short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		mustFail(t, d.Inspect(short, nil), context.DeadlineExceeded)
		create(t, d, "c", "a") // nor does one that waits, for whoever reads the metadata
		return nil
	}))
	boom := errors.New("boom")
	mustFail(t, d.Inspect(t.Context(), func(Inspection) error { return boom }), boom)
	calls := w.took()
	if n := len(slices.DeleteFunc(calls, func(c string) bool { return c != "release" })); n != 2 {
		t.Errorf("the metadata snapshot was released %d times of 2", n)
	}
}

func TestAnInspectionThatWaitsForAReaderHoldsUpNoChange(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	done, err := w.Turn(t.Context()) // as a comparison of layers takes it
	must(t, err)
	var waiting sync.WaitGroup
	waiting.Go(func() { must(t, d.Inspect(t.Context(), func(Inspection) error { return nil })) })
	time.Sleep(20 * time.Millisecond)
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	must(t, d.Create(short, "a", "", 0))
	done()
	waiting.Wait()
}

func TestACopyOfTheRecordsMakesAStoreThatStarts(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	c, err := d.Copy(t.Context())
	must(t, err)
	if c.TransactionID != w.tid || c.BaseUUID != "the-uuid" || c.PoolID == "" {
		t.Errorf("%+v", c)
	}
	d.kill()
	must(t, os.RemoveAll(filepath.Join(w.dir, "state")))
	records, err := state.Open(filepath.Join(w.dir, "state"))
	must(t, err)
	_, err = records.Restore(c.Files, time.Now())
	must(t, err)
	must(t, records.Close())
	checkWhole(t, w, w.mustStart(t), map[string]string{"a": ""})
}

func TestAHeldLayerStaysMountedUntilItsRelease(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	held, err := d.Hold(t.Context(), "a", false)
	must(t, err)
	if held.Device == "" || held.Root != "rootfs" {
		t.Errorf("%+v", held)
	}
	get(t, d, "a")
	must(t, d.Put(t.Context(), "a"))
	must(t, d.Put(t.Context(), "a"))
	if len(w.mounts) != 1 {
		t.Fatal("a Put took a held layer away")
	}
	must(t, d.Release(t.Context(), "a"))
	must(t, d.Release(t.Context(), "a"))
	if len(w.mounts) != 0 {
		t.Errorf("mounts %v", w.mounts)
	}
}

func TestASnapshotOfAnOperatorsLayerIsDockersAgain(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	must(t, d.Snapshot(t.Context(), "mine", ""))
	create(t, d, "dockers", "mine")
	must(t, d.Collect(t.Context(), "dockers", CollectOptions{}))
	mustFail(t, d.Collect(t.Context(), "mine", CollectOptions{}), ErrInUse)
	d.kill()
	d = w.mustStart(t)
	mustFail(t, d.Collect(t.Context(), "mine", CollectOptions{}), ErrInUse)
}
