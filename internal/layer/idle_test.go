package layer

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/filesystem"
)

// startKeeping starts a store that keeps layers mounted for as long as a test
// takes, or for keep.
func (w *world) startKeeping(t *testing.T, keep time.Duration) *daemon {
	t.Helper()
	o := w.options()
	o.KeepMounted = keep
	return w.mustStartWith(t, o)
}

func put(t *testing.T, d *daemon, id string) {
	t.Helper()
	must(t, d.Put(t.Context(), id))
}

func (w *world) mountedAt(dir string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.mounts[dir]
	return ok
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 500 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("not so after 5 s: %s", what)
}

// idleLayer returns a store with one idle layer, and its mount point.
func idleLayerOf(t *testing.T, w *world, keep time.Duration) (d *daemon, dir string) {
	t.Helper()
	d = w.startKeeping(t, keep)
	create(t, d, "a", "")
	get(t, d, "a")
	put(t, d, "a")
	l, err := d.find("a")
	must(t, err)
	return d, d.mountPoint(l)
}

func TestGetAfterPutFindsTheLayerStillMounted(t *testing.T) {
	w := newWorld(t)
	d, dir := idleLayerOf(t, w, time.Hour)
	w.took()
	get(t, d, "a")
	if calls := w.took(); len(calls) != 0 {
		t.Errorf("the second Get called %v", calls)
	}
	put(t, d, "a")
	if calls := w.took(); !slices.Equal(calls, []string{"sync a"}) {
		t.Errorf("the second Put called %v", calls)
	}
	if !w.mountedAt(dir) {
		t.Error("the layer is unmounted")
	}
}

func TestAnIdleLayerIsUnmountedAfterItsTime(t *testing.T) {
	w := newWorld(t)
	d, dir := idleLayerOf(t, w, 20*time.Millisecond)
	eventually(t, "unmounted", func() bool { return !w.mountedAt(dir) })
	eventually(t, "none is counted", func() bool { return d.idler.mounted() == 0 })
	if d.marked("a") {
		t.Error("it is still marked as idle")
	}
}

func TestALayerInUseAgainOutlivesItsIdleTime(t *testing.T) {
	w := newWorld(t)
	d, dir := idleLayerOf(t, w, 50*time.Millisecond)
	get(t, d, "a")
	time.Sleep(150 * time.Millisecond)
	if !w.mountedAt(dir) {
		t.Error("a layer was unmounted under its user")
	}
}

// A power cut after a Put must lose as little as after an unmount.
func TestAPutAnswersOnceWhatWasWrittenIsOnDisk(t *testing.T) {
	w := newWorld(t)
	d := w.startKeeping(t, time.Hour)
	create(t, d, "a", "")
	dir := get(t, d, "a")
	w.failOn("sync", unix.EIO)
	put(t, d, "a")
	if w.mountedAt(strings.TrimSuffix(dir, "/rootfs")) {
		t.Error("a layer that could not be synced is kept")
	}
}

// What only reads an idle layer leaves nothing to be written.
func TestAnIdleLayerThatWasReadIsNotSyncedAgain(t *testing.T) {
	w := newWorld(t)
	d, _ := idleLayerOf(t, w, time.Hour)
	create(t, d, "b", "a")
	get(t, d, "b")
	put(t, d, "b")
	w.took()
	must(t, d.Diff(t.Context(), "b", "a", io.Discard))
	if calls := w.took(); slices.Contains(calls, "sync b") {
		t.Errorf("a Diff called %v", calls)
	}
	get(t, d, "b")
	put(t, d, "b")
	if calls := w.took(); !slices.Equal(calls, []string{"sync b"}) {
		t.Errorf("a Get and a Put called %v", calls)
	}
}

func TestIdleLayersAreBounded(t *testing.T) {
	w := newWorld(t)
	d := w.startKeeping(t, time.Hour)
	for n := range maxIdle + 10 {
		id := fmt.Sprint("l", n)
		create(t, d, id, "")
		get(t, d, id)
		put(t, d, id)
	}
	if mounted := len(w.mounts); mounted != maxIdle {
		t.Errorf("%d are mounted", mounted)
	}
}

func TestALayerThatIsNotKeptIsNotTakenForIdleAfterACrash(t *testing.T) {
	w := newWorld(t)
	d := w.startKeeping(t, time.Hour)
	var dir string
	for n := range maxIdle + 1 {
		id := fmt.Sprint("l", n)
		create(t, d, id, "")
		dir = get(t, d, id)
		put(t, d, id)
	}
	get(t, d, fmt.Sprint("l", maxIdle))
	d.kill()
	w.startKeeping(t, time.Hour)
	if !w.mountedAt(strings.TrimSuffix(dir, "/rootfs")) {
		t.Error("a container's layer was unmounted")
	}
}

func TestAnIdleLayerCountsAsUnused(t *testing.T) {
	w := newWorld(t)
	d, _ := idleLayerOf(t, w, time.Hour)
	info, err := d.Info(t.Context(), "a")
	must(t, err)
	sum, err := d.Summary(t.Context())
	must(t, err)
	if info.Mounted || sum.Mounted != 0 || d.InUse(t.Context()) || d.Busy(t.Context(), "a") {
		t.Errorf("info %+v, summary %+v", info, sum)
	}
	must(t, d.Trim(t.Context(), nil, func(done Trimmed) { t.Errorf("trimmed %+v", done) }))
	must(t, d.RemoveUnused(t.Context(), "a", false))
}

func TestASnapshotIsOfAnUnmountedFilesystemNotAnIdleOne(t *testing.T) {
	w := newWorld(t)
	d, dir := idleLayerOf(t, w, time.Hour)
	w.before = func(call string) error {
		if strings.HasPrefix(call, "create_snap") && len(w.mounts) > 0 {
			t.Errorf("%s with %v mounted", call, w.mounts)
		}
		return nil
	}
	create(t, d, "b", "a")
	if w.mountedAt(dir) {
		t.Error("the parent stays mounted")
	}
}

// The parent of a layer that was just compared is that of the next one, too.
func TestASnapshotLeavesAnIdleParentMountedThatWasOnlyRead(t *testing.T) {
	w := newWorld(t)
	d, dir := idleLayerOf(t, w, time.Hour)
	create(t, d, "b", "a")
	must(t, d.Diff(t.Context(), "b", "a", io.Discard))
	w.took()
	create(t, d, "c", "a")
	calls := w.took()
	at := func(prefix string) int {
		return slices.IndexFunc(calls, func(c string) bool { return strings.HasPrefix(c, prefix) })
	}
	if !w.mountedAt(dir) || at("suspend") < 0 || at("create_snap") < at("suspend") || at("resume") < at("create_snap") {
		t.Errorf("calls: %v", calls)
	}
}

func TestAnotherLabelMountsAnIdleLayerAnew(t *testing.T) {
	w := newWorld(t)
	d, _ := idleLayerOf(t, w, time.Hour)
	w.took()
	_, err := d.Get(t.Context(), "a", "system_u:object_r:container_file_t:s0:c1,c2")
	must(t, err)
	calls := w.took()
	if !slices.Contains(calls, "unmount a") || !slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, "label=system_u") }) {
		t.Errorf("calls: %v", calls)
	}
}

func TestRemoveLeavesTheUnmountToTheBackground(t *testing.T) {
	w := newWorld(t)
	d, dir := idleLayerOf(t, w, time.Hour)
	d.reclaimer.stop()
	w.took()
	must(t, d.Remove(t.Context(), "a"))
	// For a rename too: udev looks at the device then.
	w.requireNone(t, "unmount", "close", "deactivate", "discard", "delete", "rename")
	if w.mountedAt(dir) {
		t.Error("the mount point is not free")
	}
	create(t, d, "a", "") // so are the names
	get(t, d, "a")
	d.reclaimer = startReclaimer(d.Store)
	d.settled(t)
	if _, ok := w.devices[2]; ok {
		t.Error("the removed layer's device is still in the pool")
	}
}

func TestACloseLeavesNothingIdleOrDetached(t *testing.T) {
	w := newWorld(t)
	d, _ := idleLayerOf(t, w, time.Hour)
	create(t, d, "gone", "")
	get(t, d, "gone")
	create(t, d, "used", "")
	get(t, d, "used")
	d.reclaimer.stop()
	must(t, d.Remove(t.Context(), "gone"))
	must(t, d.Close(t.Context()))
	if len(w.mounts) != 1 || len(w.active) != 1 || len(w.detached) != 0 {
		t.Errorf("left: mounts %v, devices %v, detached %v", w.mounts, w.active, w.detached)
	}
}

// An active device would keep the pool from being closed.
func TestACloseWhileBlocksAreGivenBackLeavesNoDevice(t *testing.T) {
	w := newWorld(t)
	d := w.startKeeping(t, time.Hour)
	ids := []string{"a", "b", "c"}
	for _, id := range ids {
		create(t, d, id, "")
		get(t, d, id)
		put(t, d, id)
	}
	d.reclaimer.stop()
	for _, id := range ids {
		must(t, d.Remove(t.Context(), id))
	}
	arrived, let := w.stuck(t, "discard") // the others wait for their turn
	d.reclaimer = startReclaimer(d.Store)
	<-arrived
	eventually(t, "no mount is left", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.detached) == 0 })
	d.reclaimer.cancel()
	let()
	must(t, d.Close(t.Context()))
	if len(w.active) != 0 || len(d.pending()) == 0 {
		t.Errorf("left: devices %v, tombstones %v", w.active, d.pending())
	}
}

// Only the mark tells an idle layer from one that a container runs on.
func TestACrashTurnsIdleLayersIntoUnmountedOnes(t *testing.T) {
	w := newWorld(t)
	d, dir := idleLayerOf(t, w, time.Hour)
	create(t, d, "used", "")
	used := get(t, d, "used")
	d.kill()
	d = w.startKeeping(t, time.Hour)
	if w.mountedAt(dir) || !w.mountedAt(strings.TrimSuffix(used, "/rootfs")) {
		t.Errorf("mounted after the crash: %v", w.mounts)
	}
	for id, want := range map[string]int{"a": 0, "used": 1} {
		if info, err := d.Info(t.Context(), id); err != nil || info.References != want {
			t.Errorf("layer %s has %d references, %v", id, info.References, err)
		}
	}
	get(t, d, "a")
	d.kill()
	w.startKeeping(t, time.Hour)
	if !w.mountedAt(dir) {
		t.Error("a layer that was in use again is unmounted: its mark stayed")
	}
}

func TestAnInitToALivingProcessLeavesIdleLayersIdle(t *testing.T) {
	w := newWorld(t)
	d, _ := idleLayerOf(t, w, time.Hour)
	must(t, d.Adopt(t.Context()))
	if info, err := d.Info(t.Context(), "a"); err != nil || info.References != 0 || info.Mounted {
		t.Errorf("info %+v, %v", info, err)
	}
}

// dockerd unmounts all below a plugin that it stops.
func TestAnIdleLayerUnmountedByOthersIsNotTakenForMounted(t *testing.T) {
	w := newWorld(t)
	d, dir := idleLayerOf(t, w, time.Hour)
	w.mounts = map[string]filesystem.MountPoint{}
	must(t, d.Adopt(t.Context()))
	get(t, d, "a")
	if !w.mountedAt(dir) {
		t.Error("the layer's folder is empty")
	}
}
