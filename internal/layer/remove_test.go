package layer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/thinpool"
)

func TestARemovedLayersNameIsFreeAtOnceAndItsBlocksFollow(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	get(t, d, "a")
	release := make(chan struct{})
	w.before = func(call string) error {
		if strings.HasPrefix(call, "discard") {
			<-release // slow disk
		}
		return nil
	}
	must(t, d.Remove(t.Context(), "a"))
	if d.Exists("a") || len(w.mounts) != 0 {
		t.Error("the layer is still there")
	}
	create(t, d, "a", "") // while the old one's blocks are still being given back
	close(release)
	d.settled(t)
	if len(w.devices) != 2 { // base and the new a
		t.Errorf("devices %v", w.devices)
	}
}

func TestABusyLayerIsRemovedByNameAndItsBlocksFollowLater(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	get(t, d, "a")
	w.held[d.names.device("a")] = true
	start := time.Now()
	must(t, d.Remove(t.Context(), "a"))
	if took := time.Since(start); took > time.Second {
		t.Errorf("Remove of a busy layer took %v", took)
	}
	create(t, d, "a", "")
	get(t, d, "a") // the device name is free as well
	if _, ok := w.devices[2]; !ok {
		t.Error("the device was deleted although it is open")
	}
	w.letGo(d.names.deleted(2))
	d.settled(t)
	if _, ok := w.devices[2]; ok {
		t.Error("the device is still in the pool")
	}
}

func TestANameThatABusyRemovedLayerHasIsFreeAfterACrash(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	get(t, d, "a")
	w.held[d.names.device("a")] = true
	d.reclaimer.stop()
	must(t, d.Remove(t.Context(), "a"))
	d.kill()
	d = w.mustStart(t)
	create(t, d, "a", "")
	get(t, d, "a")
	w.letGo(d.names.deleted(2))
	d.settled(t)
	if _, ok := w.devices[2]; ok {
		t.Error("the removed layer's device is still in the pool")
	}
}

func TestSomebodyElsesDeviceOfALayersNameDoesNotKeepItsBlocks(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.failOn("rename", thinpool.ErrForeign)
	must(t, d.Remove(t.Context(), "a"))
	d.settled(t)
	if len(w.devices) != 1 {
		t.Errorf("devices %v", w.devices)
	}
}

func TestRemovalGoesOnAfterARestart(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.failOn("delete", unix.EIO)
	must(t, d.Remove(t.Context(), "a"))
	d.kill()
	w.failOn("", nil)
	d = w.mustStart(t)
	if d.Exists("a") {
		t.Error("a removed layer came back")
	}
	d.settled(t)
	if len(w.devices) != 1 {
		t.Errorf("devices %v", w.devices)
	}
}

func TestAFailedDiscardDoesNotKeepTheLayer(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.failOn("discard", unix.EOPNOTSUPP)
	must(t, d.Remove(t.Context(), "a"))
	d.settled(t)
	if len(w.devices) != 1 {
		t.Errorf("devices %v", w.devices)
	}
}

func TestDiscardCanBeTurnedOff(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Discard = false
	d := w.mustStartWith(t, o)
	create(t, d, "a", "")
	w.took()
	must(t, d.Remove(t.Context(), "a"))
	d.settled(t)
	w.requireNone(t, "discard")
}

func TestADeviceDeletedBehindOurBackDoesNotStopRemoval(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	delete(w.devices, 2)
	must(t, d.Remove(t.Context(), "a"))
	d.settled(t)
}

func TestAnUnmountThatFailsLeavesTheLayer(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	get(t, d, "a")
	w.failOn("detach", unix.EIO)
	w.took()
	mustFail(t, d.Remove(t.Context(), "a"), unix.EIO)
	if !d.Exists("a") {
		t.Error("the layer is gone")
	}
	w.requireNone(t, "deactivate") // of what is in use
}

func TestAnUndeletableDeviceIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	fails := 2
	w.before = func(call string) error {
		if strings.HasPrefix(call, "delete") && fails > 0 {
			fails--
			return errors.New("not now")
		}
		return nil
	}
	must(t, d.Remove(t.Context(), "a"))
	d.settled(t)
	if _, ok := w.devices[thinpool.DeviceID(2)]; ok || fails != 0 {
		t.Errorf("devices %v, %d failures left", w.devices, fails)
	}
}

func TestRemoveDoesNotWaitForOtherLayers(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "slow", "")
	create(t, d, "a", "")
	entered, release := make(chan struct{}), make(chan struct{})
	w.before = func(call string) error {
		if strings.HasPrefix(call, "mount slow") {
			close(entered)
			<-release
		}
		return nil
	}
	done := make(chan error)
	go func() { _, err := d.Get(t.Context(), "slow", ""); done <- err }()
	<-entered
	// All of it while layer slow is stuck in its mount:
	get(t, d, "a")
	create(t, d, "b", "a")
	must(t, d.Put(t.Context(), "a"))
	must(t, d.Remove(t.Context(), "b"))
	if _, err := d.Summary(t.Context()); err != nil {
		t.Error(err)
	}
	infos, err := d.List(t.Context())
	must(t, err)
	if i := slices.IndexFunc(infos, func(i Info) bool { return i.ID == "slow" }); i < 0 || !infos[i].Busy {
		t.Errorf("List = %+v, want layer slow marked busy", infos)
	}
	close(release)
	must(t, <-done)
}

// Blocks that both share would stay allocated below the pool.
func TestRemovedLayersAreDiscardedAndDeletedOneAtATime(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	for _, id := range []string{"a", "b", "c"} {
		create(t, d, id, "")
	}
	d.reclaimer.stop()
	for _, id := range []string{"a", "b", "c"} {
		must(t, d.Remove(t.Context(), id))
	}
	d.kill()
	arrived, let := w.stuck(t, "discard")
	d = w.mustStart(t)
	<-arrived
	select {
	case <-arrived:
		t.Error("a second device is discarded while the first still is")
	case <-time.After(100 * time.Millisecond):
	}
	let()
	d.settled(t)
	last := "delete"
	for _, call := range w.took() {
		what, _, _ := strings.Cut(call, " ")
		if what != "discard" && what != "delete" {
			continue
		}
		if what == last {
			t.Errorf("%s, though the last was a %s too", call, last)
		}
		last = what
	}
}

func TestAStopDuringADiscardLeavesTheDeletionToTheNextStart(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.before = func(call string) error {
		if strings.HasPrefix(call, "discard") {
			d.reclaimer.cancel()
			return context.Canceled
		}
		return nil
	}
	must(t, d.Remove(t.Context(), "a"))
	<-d.reclaimer.done
	if _, ok := w.devices[2]; !ok {
		t.Error("deleted without its blocks being discarded")
	}
	d.kill()
	w.failOn("", nil)
	d = w.mustStart(t)
	d.settled(t)
	if _, ok := w.devices[2]; ok {
		t.Error("the next start did not finish the deletion")
	}
}
