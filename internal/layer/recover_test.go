package layer

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// errCrash is what a simulated SIGKILL panics with.
var errCrash = errors.New("crash")

// crashAt runs work and kills it at the nth call of the kernel from now. It
// reports whether work got that far.
func (w *world) crashAt(n int, work func()) (crashed bool) {
	defer func() {
		w.failOn("", nil)
		if r := recover(); r != nil {
			if r != errCrash { //nolint:errorlint // a panic value, not an error
				panic(r)
			}
			crashed = true
		}
	}()
	self, count := goroutine(), 0
	w.mu.Lock()
	w.before = func(string) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if count++; count < n || n == 0 {
			return nil
		}
		if goroutine() == self {
			panic(errCrash)
		}
		return errCrash // background work of a process that is dying
	}
	w.mu.Unlock()
	work()
	return false
}

// dropLock frees the state of a process killed in the middle of its start: the
// lock of a real one dies with it.
func (w *world) dropLock(t *testing.T) {
	t.Helper()
	must(t, os.Remove(filepath.Join(w.dir, "state", "lock")))
}

// goroutine names the running goroutine.
func goroutine() string {
	var stack [64]byte
	return string(bytes.Fields(stack[:runtime.Stack(stack[:], false)])[1])
}

// checkWhole compares pool and records after a recovery: each acknowledged
// layer is there with its content, and nothing is there that nobody knows.
func checkWhole(t *testing.T, w *world, d *daemon, acknowledged map[string]string) {
	t.Helper()
	d.settled(t)
	known := map[thinpool.DeviceID]bool{thinpool.DeviceID(d.base.record.DeviceID): true}
	for _, l := range d.all() {
		known[thinpool.DeviceID(l.record.DeviceID)] = true
		if _, ok := w.devices[thinpool.DeviceID(l.record.DeviceID)]; !ok {
			t.Errorf("%s has no device", l)
		}
	}
	for id, content := range acknowledged {
		l, err := d.find(id)
		if err != nil {
			t.Errorf("acknowledged layer lost: %v", err)
			continue
		}
		if got := w.devices[thinpool.DeviceID(l.record.DeviceID)].content; got != content {
			t.Errorf("%s holds %q, want %q", l, got, content)
		}
	}
	for id := range w.devices {
		if !known[id] {
			t.Errorf("device %d is in the pool and in no record", id)
		}
	}
	intent, _, err := d.records.Intent()
	must(t, err)
	if intent.OpenTransactionID != w.tid {
		t.Errorf("pool at transaction %d, records at %d", w.tid, intent.OpenTransactionID)
	}
	if len(d.leaked) > 0 {
		t.Errorf("leaked: %v", d.leaked)
	}
}

func TestACrashAtAnyStepLosesNothingAndLeaksNothing(t *testing.T) {
	work := map[string]func(d *daemon) (created, removed string){
		"create": func(d *daemon) (string, string) {
			if d.Create(d.ctx(), "new", "a", 0) == nil {
				return "new", ""
			}
			return "", ""
		},
		"create with size": func(d *daemon) (string, string) {
			if d.Create(d.ctx(), "new", "a", 2<<30) == nil {
				return "new", ""
			}
			return "", ""
		},
		"remove": func(d *daemon) (string, string) {
			if d.Remove(d.ctx(), "a") == nil {
				return "", "a"
			}
			return "", ""
		},
		"reclaim": func(d *daemon) (string, string) {
			d.reclaimer.stop() // do its work here, where a crash can be caught
			if d.Remove(d.ctx(), "a") != nil {
				return "", ""
			}
			for name, r := range d.pending() {
				if d.reclaim(d.ctx(), name, r) != nil {
					break
				}
			}
			return "", "a"
		},
	}
	for name, do := range work {
		t.Run(name, func(t *testing.T) {
			for n := 1; ; n++ {
				if !crashOnce(t, n, do) {
					return
				}
			}
		})
	}
}

// crashOnce crashes do at call n, then recovers, crashing once more on the way.
func crashOnce(t *testing.T, n int, do func(d *daemon) (created, removed string)) (crashed bool) {
	t.Helper()
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	apply(t, d, "a", "content of a")
	create(t, d, "b", "a")
	d.reclaimer.stop() // crashes are to hit the work, not the background
	want := map[string]string{"a": "content of a", "b": "content of a"}
	crashed = w.crashAt(n, func() {
		created, removed := do(d)
		if created != "" {
			want[created] = "content of a"
		}
		delete(want, removed)
	})
	if crashed {
		delete(want, "a") // it may be gone or not, if it was being removed
	}
	d.kill()
	for again := 1; again < 6; again++ {
		w.crashAt(again, func() {
			if d, err := w.start(w.options()); err == nil {
				d.kill()
			}
		})
		w.dropLock(t)
	}
	d = w.mustStart(t)
	checkWhole(t, w, d, want)
	if !d.Exists("a") && n == 1 && crashed {
		t.Error("crashed before anything was done, yet layer a is gone")
	}
	return crashed
}

func TestACrashWhileTheBaseIsMadeStartsOver(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t)
		crashed := w.crashAt(n, func() {
			if d, err := w.start(w.options()); err == nil {
				d.kill()
			}
		})
		if !crashed {
			return
		}
		w.dropLock(t)
		d := w.mustStart(t)
		create(t, d, "a", "")
		checkWhole(t, w, d, map[string]string{"a": ""})
		d.kill()
	}
}

func TestPoolAndRecordsThatDisagreeAreRefused(t *testing.T) {
	for what, spoil := range map[string]func(t *testing.T, w *world, d *daemon){
		"pool ahead":   func(_ *testing.T, w *world, _ *daemon) { w.tid += 5 },
		"pool behind":  func(_ *testing.T, w *world, _ *daemon) { w.tid = 0 },
		"another pool": func(_ *testing.T, w *world, _ *daemon) { delete(w.devices, 1) },
		"records are gone": func(t *testing.T, w *world, _ *daemon) {
			must(t, os.RemoveAll(filepath.Join(w.dir, "state", "metadata")))
		},
		"fresh pool with devices": func(t *testing.T, w *world, _ *daemon) {
			must(t, os.RemoveAll(filepath.Join(w.dir, "state", "metadata")))
			w.tid = 0
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			d := w.mustStart(t)
			create(t, d, "a", "")
			create(t, d, "b", "")
			d.kill()
			spoil(t, w, d)
			before := len(w.devices)
			_, err := w.start(w.options())
			mustFail(t, err, ErrDiverged)
			if len(w.devices) != before {
				t.Error("devices were deleted from a pool that may not be ours")
			}
		})
	}
}

func TestAnUnhealthyPoolIsRefusedWithItsReason(t *testing.T) {
	w := newWorld(t)
	w.mustStart(t).kill()
	w.mode = thinpool.ModeReadOnly
	_, err := w.start(w.options())
	mustFail(t, err, thinpool.ErrReadOnly)
}

func TestAFailedCreateNeverDeletesAStrangersDevice(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	// A crash right after create_snap said EEXIST: the intent names a device
	// that somebody else made earlier.
	w.devices[9] = thinDev{made: 0, content: "theirs"}
	must(t, d.records.WriteIntent(state.Intent{OpenTransactionID: w.tid + 1, Name: "x", DeviceID: 9, Op: state.OpCreate}))
	d.kill()
	d = w.mustStart(t)
	if w.devices[9].content != "theirs" {
		t.Error("the stranger's device was deleted")
	}
	if !slices.Contains(d.leaked, 9) {
		t.Errorf("leaked = %v, want the stranger's device reported", d.leaked)
	}
	create(t, d, "b", "")
}

func TestDockersOpenIntentIsSettledToo(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.devices[5] = thinDev{made: w.tid}
	must(t, d.records.WriteIntent(state.Intent{OpenTransactionID: w.tid + 1, Name: "x", DeviceID: 5}))
	d.kill()
	checkWhole(t, w, w.mustStart(t), map[string]string{"a": ""})
}

// A new record's name may be on disk before its content.
func TestARecordThatAPowerCutLeftEmptyIsTakenBack(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.crashAt(4, func() { _ = d.Create(d.ctx(), "b", "", 0) }) // before the transaction closes
	d.kill()
	path := filepath.Join(w.dir, "state", "metadata", "b")
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		t.Fatalf("the record was not written yet: %v", err)
	}
	must(t, os.Truncate(path, 0))
	d = w.mustStart(t)
	checkWhole(t, w, d, map[string]string{"a": ""})
	if len(d.damaged) != 0 {
		t.Errorf("damaged: %v", d.damaged)
	}
	create(t, d, "b", "")
}

func TestADamagedIntentIsWorkedOutFromTheRecords(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	d.reclaimer.stop()
	w.crashAt(4, func() { _ = d.Create(d.ctx(), "b", "", 0) }) // before the transaction closes
	spoil(t, w, "transaction-metadata")
	d.kill()
	d = w.mustStart(t)
	if d.Exists("b") {
		t.Error("an unfinished layer is served")
	}
	create(t, d, "c", "")
	checkWhole(t, w, d, map[string]string{"a": "", "c": ""})
}

func spoil(t *testing.T, w *world, record string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(w.dir, "state", "metadata", record), []byte("garbage"), 0o600))
}

func TestADamagedRecordStopsOnlyItsLayer(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	create(t, d, "b", "")
	d.kill()
	spoil(t, w, "a")
	d = w.mustStart(t)
	_, err := d.Get(t.Context(), "a", "")
	mustFail(t, err, ErrDamaged)
	mustFail(t, d.Create(t.Context(), "c", "a", 0), ErrDamaged)
	mustFail(t, d.Create(t.Context(), "a", "", 0), ErrDamaged)
	mustFail(t, d.Remove(t.Context(), "a"), ErrDamaged)
	get(t, d, "b")
	create(t, d, "c", "b")
	sum, err := d.Summary(t.Context())
	must(t, err)
	if len(sum.Problems) != 2 || !strings.Contains(sum.Problems[0]+sum.Problems[1], "metadata/a") {
		t.Errorf("Problems = %q", sum.Problems)
	}
}

func TestADamagedBaseRecordStopsOnlyNewImages(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	d.kill()
	spoil(t, w, "base")
	d = w.mustStart(t)
	get(t, d, "a")
	create(t, d, "b", "a")
	mustFail(t, d.Create(t.Context(), "c", "", 0), ErrDamaged)
}

func TestADamagedDeviceSetIsMadeAnew(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	d.kill()
	spoil(t, w, "deviceset-metadata")
	d = w.mustStart(t)
	create(t, d, "b", "a")
	set, ok, err := d.records.DeviceSet()
	if !ok || err != nil || set.BaseUUID != "the-uuid" || set.BaseFilesystem != "ext4" {
		t.Errorf("DeviceSet = %+v, %v, %v", set, ok, err)
	}
}

func TestADamagedDeviceSetLetsNoOtherBaseDeviceIn(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	if l, err := d.find("a"); err != nil || l.record.UUID != "" {
		t.Errorf("the base device's UUID is also a layer's: %v", err)
	}
	base := d.base.record
	base.UUID = "another"
	must(t, d.records.Put(state.BaseName, base))
	d.kill()
	spoil(t, w, "deviceset-metadata")
	_, err := w.start(w.options())
	mustFail(t, err, ErrDiverged)
}

func TestALayerWhoseDeviceIsGoneCanOnlyBeRemoved(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	d.kill()
	delete(w.devices, 2)
	d = w.mustStart(t)
	if _, err := d.Get(t.Context(), "a", ""); err == nil || !strings.Contains(err.Error(), "not in the pool") {
		t.Errorf("Get = %v", err)
	}
	must(t, d.Remove(t.Context(), "a"))
	create(t, d, "a", "")
}

func TestMountsOfACrashedProcessAreAdopted(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	for _, id := range []string{"container", "reader", "gone"} {
		create(t, d, id, "")
		get(t, d, id)
	}
	m := w.mounts[d.mountPoint(d.layers["reader"])]
	m.ReadOnly = true
	w.mounts[m.Dir] = m
	must(t, d.records.Delete("gone"))
	d.kill()
	d = w.mustStart(t)
	if len(w.mounts) != 1 {
		t.Errorf("mounts %v: want the container's only", w.mounts)
	}
	if len(w.active) != 1 {
		// "gone" is no layer any more; its device must not stay active.
		t.Errorf("active %v", w.active)
	}
	get(t, d, "container")                   // live-restore: a Get ...
	must(t, d.Put(t.Context(), "container")) // ... and a Put per container
	if len(w.mounts) != 1 {
		t.Error("the container's mount is gone while it runs")
	}
	must(t, d.Put(t.Context(), "container")) // it ends
	if len(w.mounts) != 0 {
		t.Error("the container's mount stays after its end")
	}
}

func TestASuspendedDeviceIsResumedAtStart(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	get(t, d, "a")
	w.setSuspended(d.names.device("a"), true)
	d.kill()
	w.mustStart(t)
	if w.active[d.names.device("a")].Suspended {
		t.Error("a container's device stays suspended")
	}
}

func TestALayerNeverFinishedIsRemovedAtStart(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	d.reclaimer.stop()
	crashed := w.crashAt(9, func() { _ = d.Create(d.ctx(), "b", "a", 2<<30) })
	if !crashed || d.layers["b"] == nil {
		t.Fatal("the crash did not hit the resizing")
	}
	d.kill()
	d = w.mustStart(t)
	if d.Exists("b") {
		t.Error("a half-made layer is served")
	}
	checkWhole(t, w, d, map[string]string{"a": ""})
}

// The protocol's server turns a panic into an error and goes on. The next
// intent would replace the one that is open, and its device would leak.
func TestNoChangeFollowsOneThatAPanicCutShort(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	d.reclaimer.stop()
	if !w.crashAt(4, func() { _ = d.Create(d.ctx(), "b", "", 0) }) { // before the transaction closes
		t.Fatal("there was no panic")
	}
	mustFail(t, d.Create(d.ctx(), "c", "", 0), ErrChangesShut)
	if sum, err := d.Summary(t.Context()); err != nil || len(sum.Problems) != 1 {
		t.Errorf("problems %q, %v", sum.Problems, err)
	}
	d.kill()
	checkWhole(t, w, w.mustStart(t), map[string]string{"a": ""})
}

func TestOnlyTheReclaimerDeactivatesARemovedLayer(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	get(t, d, "a")
	w.held[d.names.device("a")] = true
	d.reclaimer.stop() // or it might rename the device first
	must(t, d.Remove(t.Context(), "a"))
	requireLeftAlone(t, w, d, d.names.device("a"))
	create(t, d, "a", "") // who wants the name
	deleted := d.names.deleted(2)
	requireLeftAlone(t, w, d, deleted)
	being := w.active[deleted]
	being.ID = 0 // made, but without its table yet
	w.active[deleted] = being
	requireLeftAlone(t, w, d, deleted)
}

func requireLeftAlone(t *testing.T, w *world, d *daemon, device string) {
	t.Helper()
	if _, active := w.active[device]; !active {
		t.Fatalf("active %v: want %s, which is in use", w.active, device)
	}
	w.took()
	must(t, d.Adopt(t.Context()))
	w.requireNone(t, "deactivate") // while the reclaimer may be at it
}
