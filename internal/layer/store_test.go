package layer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustFail(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	if strings.ContainsRune(err.Error(), '\n') {
		t.Errorf("the error is not one line: %q", err)
	}
}

func create(t *testing.T, d *daemon, id, parent string) {
	t.Helper()
	must(t, d.Create(t.Context(), id, parent, 0))
}

func get(t *testing.T, d *daemon, id string) string {
	t.Helper()
	dir, err := d.Get(t.Context(), id, "")
	must(t, err)
	return dir
}

func TestCreateFollowsTheWriteProtocol(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	w.took()
	create(t, d, "a", "")
	want := []string{
		"status", // enough space?
		"lookup " + d.names.device(""),
		"create_snap 2 1", "set_transaction_id 1 2", "status",
	}
	if diff := cmp.Diff(want, w.took()); diff != "" {
		t.Error(diff)
	}
	intent, _, err := d.records.Intent()
	must(t, err)
	if intent != (state.Intent{OpenTransactionID: 2, Name: "a", DeviceID: 2, Op: state.OpCreate}) {
		t.Errorf("intent = %+v", intent)
	}
}

func TestTheIntentIsOnDiskBeforeThePoolChanges(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	seen := false
	w.before = func(call string) error {
		if strings.HasPrefix(call, "create_snap") {
			intent, ok, err := d.records.Intent()
			seen = ok && err == nil && intent.Name == "a" && intent.OpenTransactionID == 2
		}
		return nil
	}
	create(t, d, "a", "")
	if !seen {
		t.Error("the pool was changed without an intent on disk")
	}
}

func TestTheRecordIsOnDiskBeforeTheTransactionCloses(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	seen := false
	w.before = func(call string) error {
		if strings.HasPrefix(call, "set_transaction_id") {
			found, err := d.records.Load()
			seen = err == nil && found.Layers["a"].TransactionID == 2
		}
		return nil
	}
	create(t, d, "a", "")
	if !seen {
		t.Error("the transaction was closed without the record on disk")
	}
}

func TestAChangeThatThePoolDidNotCommitIsNotAcknowledged(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	w.before = func(call string) error {
		if strings.HasPrefix(call, "set_transaction_id") {
			// dm-thin returns 0 from a message whose commit failed.
			w.mode = thinpool.ModeReadOnly
		}
		return nil
	}
	mustFail(t, d.Create(t.Context(), "a", "", 0), thinpool.ErrReadOnly)
	w.failOn("", nil)
	w.mode = thinpool.ModeReadWrite
	mustFail(t, d.Create(t.Context(), "b", "", 0), ErrChangesShut)
	if d.Exists("a") {
		t.Error("the layer exists although its making failed")
	}
	mustFail(t, d.Ready(t.Context()), ErrChangesShut)
}

func TestAFailedStepIsTakenBackAndCanBeRepeated(t *testing.T) {
	for _, step := range []string{"create_snap", "set_transaction_id"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			d := w.mustStart(t)
			w.failOn(step, unix.EIO)
			mustFail(t, d.Create(t.Context(), "a", "", 0), unix.EIO)
			if d.Exists("a") || len(w.devices) != 1 {
				t.Errorf("left behind: layer %v, devices %v", d.Exists("a"), w.devices)
			}
			w.failOn("", nil)
			create(t, d, "a", "")
		})
	}
}

func TestAnActiveParentIsFrozenAroundTheSnapshot(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "p", "")
	get(t, d, "p")
	device := d.names.device("p")
	frozen := false
	w.before = func(call string) error {
		if strings.HasPrefix(call, "create_snap") {
			frozen = w.active[device].Suspended
		}
		return nil
	}
	create(t, d, "c", "p")
	if !frozen {
		t.Error("the snapshot was taken of a running device")
	}
	if w.active[device].Suspended {
		t.Error("the parent is still frozen")
	}
	w.failOn("create_snap", unix.EIO)
	mustFail(t, d.Create(t.Context(), "d", "p", 0), unix.EIO)
	if w.active[device].Suspended {
		t.Error("the parent is still frozen after a failure")
	}
}

func TestASnapshotWhoseParentStaysFrozenIsTakenBack(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "p", "")
	get(t, d, "p")
	w.failOn("resume", unix.EIO)
	mustFail(t, d.Create(t.Context(), "c", "p", 0), unix.EIO)
	w.failOn("", nil)
	if d.Exists("c") {
		t.Error("a layer exists whose making failed")
	}
	d.settled(t)
	if len(w.devices) != 2 {
		t.Errorf("devices %v: want those of base and parent", w.devices)
	}
}

// The protocol's server turns a panic into an error and goes on.
func TestAPanicLeavesNoParentFrozen(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "p", "")
	get(t, d, "p")
	w.before = func(call string) error {
		if strings.HasPrefix(call, "create_snap") {
			panic(call)
		}
		return nil
	}
	func() {
		defer func() { _ = recover() }()
		_ = d.Create(t.Context(), "c", "p", 0)
	}()
	if w.active[d.names.device("p")].Suspended {
		t.Error("the parent is still frozen")
	}
}

// Two calls for one ID may cross: the later layer is not the earlier call's.
func TestAFailedCreateTakesBackItsOwnLayerOnly(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	var others sync.WaitGroup
	w.before = func(call string) error {
		if strings.HasPrefix(call, "create_snap 2 ") { // the first call holds the lock of "a"
			queue := func(f func() error) {
				others.Go(func() { must(t, f()) })
				time.Sleep(20 * time.Millisecond)
			}
			queue(func() error { return d.Remove(t.Context(), "a") })
			queue(func() error { return d.Create(t.Context(), "a", "", 0) })
		}
		return nil
	}
	mustFail(t, d.Create(t.Context(), "a", "", 2<<30), ErrUnknown)
	others.Wait()
	if !d.Exists("a") {
		t.Error("the layer of the call that succeeded is gone")
	}
}

func TestCreateRefusesWhatItMust(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	mustFail(t, d.Create(t.Context(), "a", "", 0), ErrExists)
	mustFail(t, d.Create(t.Context(), "b", "nobody", 0), ErrUnknown)
	if err := d.Create(t.Context(), "../b", "", 0); err == nil {
		t.Error("an ID with a slash was accepted")
	}
	w.used = 901
	mustFail(t, d.Create(t.Context(), "b", "", 0), ErrPoolLow)
	mustFail(t, d.Ready(t.Context()), ErrPoolLow)
	w.used = 900
	create(t, d, "b", "")
}

func TestMinFreeSpaceZeroNeverRefuses(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.MinFreePercent = 0
	d := w.mustStartWith(t, o)
	w.used = 1000
	create(t, d, "a", "")
}

func TestADeviceIDTakenByAStrangerIsSteppedOver(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	w.devices[2] = thinDev{made: 0, content: "theirs"}
	create(t, d, "a", "")
	info, err := d.Info(t.Context(), "a")
	must(t, err)
	if info.DeviceID != 3 || w.devices[2].content != "theirs" {
		t.Errorf("layer got device %d; the stranger's is %+v", info.DeviceID, w.devices[2])
	}
}

func TestGetReturnsTheSamePathAndCountsUses(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	first, second := get(t, d, "a"), get(t, d, "a")
	if first != second || !strings.HasSuffix(first, "/mnt/a/rootfs") {
		t.Errorf("Get = %q, then %q", first, second)
	}
	must(t, d.Put(t.Context(), "a"))
	if len(w.mounts) != 1 {
		t.Error("the first of two Puts unmounted")
	}
	must(t, d.Put(t.Context(), "a"))
	if len(w.mounts) != 0 || len(w.active) != 0 {
		t.Errorf("after the last Put: mounts %v, active %v", w.mounts, w.active)
	}
}

func TestPutAndRemoveOfWhatIsNotThereAreSuccesses(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	must(t, d.Put(t.Context(), "a"))
	must(t, d.Put(t.Context(), "nobody"))
	must(t, d.Remove(t.Context(), "nobody"))
	get(t, d, "a") // a Put too many must not have made the count negative
	if len(w.mounts) != 1 {
		t.Error("not mounted after Get")
	}
}

func TestGetOfAnUnknownLayerFails(t *testing.T) {
	d := newWorld(t).mustStart(t)
	_, err := d.Get(t.Context(), "nobody", "")
	mustFail(t, err, ErrUnknown)
	mustFail(t, d.Diff(t.Context(), "nobody", "", nil), ErrUnknown)
	_, err = d.Info(t.Context(), "nobody")
	mustFail(t, err, ErrUnknown)
}

func TestAFailedMountLeavesNothingActive(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.failOn("mount ", unix.EIO)
	_, err := d.Get(t.Context(), "a", "")
	mustFail(t, err, unix.EIO)
	if len(w.active) != 0 {
		t.Errorf("active: %v", w.active)
	}
}

func TestTheMountLabelReachesTheMount(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.took()
	_, err := d.Get(t.Context(), "a", "system_u:object_r:x:s0:c1,c2")
	must(t, err)
	want := "mount a ro=false label=system_u:object_r:x:s0:c1,c2 quota=false"
	if calls := w.took(); !slices.Contains(calls, want) {
		t.Errorf("calls %v lack %q", calls, want)
	}
}

func TestABusyDeviceIsLeftToTheKernelOnPut(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	get(t, d, "a")
	w.held[d.names.device("a")] = true
	must(t, d.Put(t.Context(), "a"))
	if !w.active[d.names.device("a")].DeferredRemove {
		t.Error("no deferred removal was asked for")
	}
}

func TestABusyDeviceWithoutDeferredRemovalIsAnErrorSoon(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.DeferredRemoval, o.DeferredDeletion = false, false
	d := w.mustStartWith(t, o)
	create(t, d, "a", "")
	get(t, d, "a")
	w.held[d.names.device("a")] = true
	mustFail(t, d.Put(t.Context(), "a"), thinpool.ErrBusy)
	mustFail(t, d.Remove(t.Context(), "a"), thinpool.ErrBusy)
	if !d.Exists("a") {
		t.Error("a layer whose removal failed is gone")
	}
	w.letGo(d.names.device("a"))
	must(t, d.Remove(t.Context(), "a"))
	if len(w.devices) != 1 {
		t.Errorf("without deferred deletion the blocks are not back at once: %v", w.devices)
	}
}

func TestXFSGetsItsRetriesAfterEveryMount(t *testing.T) {
	w := newWorld(t)
	retries := uint(3)
	o := w.options()
	o.XFSNoSpaceRetries = &retries
	d := w.mustStartWith(t, o)
	d.fs = filesystem.XFS
	create(t, d, "a", "")
	w.took()
	get(t, d, "a")
	if calls := w.took(); !slices.Contains(calls, "retries 3") {
		t.Errorf("calls %v", calls)
	}
}

func TestShutdownLeavesNothingMountedOrActive(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	for _, id := range []string{"a", "b"} {
		create(t, d, id, "")
		get(t, d, id)
		get(t, d, id)
	}
	if !d.InUse(t.Context()) {
		t.Error("mounted layers are not in use")
	}
	must(t, d.Shutdown(context.Background()))
	if len(w.mounts) != 0 || len(w.active) != 0 || d.InUse(t.Context()) {
		t.Errorf("mounts %v, active %v", w.mounts, w.active)
	}
	set, _, err := d.records.DeviceSet()
	must(t, err)
	if set.NextDeviceID != 3 {
		t.Errorf("next device ID on disk is %d, want 3", set.NextDeviceID)
	}
}

func TestSummaryAndListDescribeTheStore(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "b", "")
	create(t, d, "a", "b")
	get(t, d, "a")
	infos, err := d.List(t.Context())
	must(t, err)
	if len(infos) != 2 || infos[0].ID != "a" || infos[0].Parent != "b" || infos[0].References != 1 ||
		infos[0].MappedBytes != 4096 || infos[1].Mounted || infos[1].MappedBytes != -1 {
		t.Errorf("List = %+v", infos)
	}
	sum, err := d.Summary(t.Context())
	must(t, err)
	if sum.Layers != 2 || sum.Mounted != 1 || sum.Active != 1 || sum.BaseSize != 1<<30 || sum.MinFreeBytes != 100*64<<10 || len(sum.Problems) != 0 {
		t.Errorf("Summary = %+v", sum)
	}
}

func TestASilentPoolIsAProblemAndNoLackOfAnAnswer(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.failOn("status", thinpool.ErrSilent)
	sum, err := d.Summary(t.Context())
	must(t, err)
	if len(sum.Problems) != 1 || !strings.Contains(sum.Problems[0], "does not answer") || sum.Layers != 1 {
		t.Errorf("got %+v", sum)
	}
	mustFail(t, d.Ready(t.Context()), thinpool.ErrSilent)
}
