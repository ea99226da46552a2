package layer

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// activeLayer returns a store with one layer of which only the device is left.
func activeLayer(t *testing.T, w *world) *daemon {
	t.Helper()
	d := w.startKeeping(t, time.Hour)
	create(t, d, "c-init", "")
	get(t, d, "c-init")
	put(t, d, "c-init")
	if len(w.mounts) != 0 || len(w.active) != 1 {
		t.Errorf("mounts %v, devices %v: want one device only", w.mounts, w.active)
	}
	w.took()
	return d
}

func called(calls []string, prefix string) bool {
	return slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, prefix) })
}

// The kernel removes a device in some grace periods of RCU, and what nobody has
// open has nothing to write.
func TestAChildOfAnUnmountedLayerWaitsNeitherForItsDeviceNorForAFreeze(t *testing.T) {
	w := newWorld(t)
	d := activeLayer(t, w)
	create(t, d, "c", "c-init")
	if calls := w.took(); called(calls, "deactivate") || called(calls, "suspend") {
		t.Errorf("calls: %v", calls)
	}
}

// A mount that was busy is only detached: somebody may still write to it.
func TestALayerThatIsUnmountedButOpenIsFrozenAroundASnapshot(t *testing.T) {
	w := newWorld(t)
	d := activeLayer(t, w)
	w.held[d.names.device("c-init")] = true
	create(t, d, "c", "c-init")
	if calls := w.took(); !called(calls, "suspend") || !called(calls, "resume") {
		t.Errorf("calls: %v", calls)
	}
	w.held = map[string]bool{}
}

func TestALayersDeviceGoesAWhileAfterItsMount(t *testing.T) {
	w := newWorld(t)
	_, dir := idleLayerOf(t, w, 20*time.Millisecond)
	eventually(t, "unmounted", func() bool { return !w.mountedAt(dir) })
	eventually(t, "inactive", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.active) == 0 })
}

func TestALayerOfWhichTheDeviceIsLeftIsMountedAgain(t *testing.T) {
	w := newWorld(t)
	d := activeLayer(t, w)
	dir, err := d.Get(t.Context(), "c-init", "a label of its own")
	must(t, err)
	if l, err := d.find("c-init"); err != nil || l.idle || !w.mountedAt(strings.TrimSuffix(dir, "/rootfs")) {
		t.Errorf("layer %+v, %v", l, err)
	}
	if calls := w.took(); called(calls, "deactivate") {
		t.Errorf("calls: %v", calls)
	}
}

func TestRemoveLeavesADeviceToTheBackground(t *testing.T) {
	w := newWorld(t)
	d := activeLayer(t, w)
	d.reclaimer.stop()
	must(t, d.Remove(t.Context(), "c-init"))
	if calls := w.took(); called(calls, "deactivate") {
		t.Errorf("calls: %v", calls)
	}
	create(t, d, "c-init", "") // the names are free
	get(t, d, "c-init")
	d.reclaimer = startReclaimer(d.Store)
	d.settled(t)
	if len(w.active) != 1 {
		t.Errorf("devices %v: want the new layer's", w.active)
	}
}

func TestACloseLeavesNoDeviceOfAnUnmountedLayer(t *testing.T) {
	w := newWorld(t)
	d := activeLayer(t, w)
	must(t, d.Close(t.Context()))
	if len(w.active) != 0 {
		t.Errorf("devices left: %v", w.active)
	}
}

func TestAnInitToALivingProcessLeavesDevicesToTheirTime(t *testing.T) {
	w := newWorld(t)
	d := activeLayer(t, w)
	must(t, d.Adopt(t.Context()))
	l, err := d.find("c-init")
	must(t, err)
	if !l.idle || l.mounted != activated || len(w.active) != 1 {
		t.Errorf("idle %v, mounted %v, devices %v", l.idle, l.mounted, w.active)
	}
}

func TestACrashLeavesNoDeviceOfAnUnmountedLayer(t *testing.T) {
	w := newWorld(t)
	d := activeLayer(t, w)
	d.kill()
	w.startKeeping(t, time.Hour)
	if len(w.active) != 0 {
		t.Errorf("devices after the next start: %v", w.active)
	}
}

func TestWhatIsOnlyActiveIsNotCountedAsMounted(t *testing.T) {
	w := newWorld(t)
	d := activeLayer(t, w)
	create(t, d, "used", "")
	get(t, d, "used")
	if sum, err := d.Summary(t.Context()); err != nil || sum.Mounted != 1 {
		t.Errorf("%d mounted, %v; want 1", sum.Mounted, err)
	}
}
