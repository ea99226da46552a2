package layer

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/state"
)

func (d *daemon) ctx() context.Context { return context.Background() }

func mapKeys(m map[string]string) iter.Seq[string] { return maps.Keys(m) }

func TestTheBaseDeviceIsFormattedOnceWithTheOptions(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Filesystem, o.MkfsArgs = filesystem.XFS, []string{"-m", "rmapbt=1"}
	d := w.mustStartWith(t, o)
	if calls := w.took(); !slices.Contains(calls, "format xfs [-m rmapbt=1]") {
		t.Errorf("calls %v", calls)
	}
	create(t, d, "a", "")
	d.kill()
	w.mustStart(t)
	w.requireNone(t, "format")
}

func TestABaseDeviceThatCannotBeFormattedLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.failOn("format", unix.EINVAL)
	_, err := w.start(w.options())
	mustFail(t, err, unix.EINVAL)
	if len(w.devices) != 0 || len(w.active) != 0 {
		t.Errorf("devices %v, active %v", w.devices, w.active)
	}
	w.failOn("", nil)
	w.mustStart(t)
}

func TestABaseDeviceThatCannotBeReadSaysWhereToLook(t *testing.T) {
	w := newWorld(t)
	w.mustStart(t).kill()
	w.failOn("activate", unix.EIO)
	_, err := w.start(w.options())
	mustFail(t, err, unix.EIO)
	if !strings.Contains(err.Error(), "base device") || !strings.Contains(err.Error(), "run dmthin check") {
		t.Errorf("start says %v", err)
	}
	w.failOn("", nil)
	w.mustStart(t)
}

func TestASmallerBaseSizeIsRefusedAndALargerOneGrows(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "old", "")
	d.kill()
	o := w.options()
	o.BaseSize, o.BaseSizeGiven = 1<<29, true
	if _, err := w.start(o); err == nil || !strings.Contains(err.Error(), "base device size cannot be smaller than 1.074GB") {
		t.Errorf("start with half the base size: %v", err)
	}
	o.BaseSize = 4 << 30
	w.took()
	d = w.mustStartWith(t, o)
	if calls := w.took(); !slices.Contains(calls, "grow base") {
		t.Errorf("calls %v", calls)
	}
	create(t, d, "new", "")
	create(t, d, "container", "old")
	for id, want := range map[string]int64{"old": 1 << 30, "new": 4 << 30, "container": 4 << 30} {
		info, err := d.Info(t.Context(), id)
		must(t, err)
		if info.Size != want {
			t.Errorf("layer %s has %d bytes, want %d", id, info.Size, want)
		}
	}
	d.kill()
	w.took()
	w.mustStart(t) // not given: the size stays
	if slices.Contains(w.took(), "grow base") {
		t.Error("grown again")
	}
}

func TestAGrowthOfTheBaseCutShortIsFinished(t *testing.T) {
	w := newWorld(t)
	w.mustStart(t).kill()
	o := w.options()
	o.BaseSize, o.BaseSizeGiven = 4<<30, true
	w.failOn("grow base", unix.EIO)
	_, err := w.start(o)
	mustFail(t, err, unix.EIO)
	w.failOn("", nil)
	w.took()
	w.mustStart(t)
	if !slices.Contains(w.took(), "grow base") {
		t.Error("the filesystem was not grown to its device")
	}
}

func TestAnotherBaseDeviceIsRefused(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	set, _, err := d.records.DeviceSet()
	must(t, err)
	set.BaseUUID = "another"
	must(t, d.records.WriteDeviceSet(set))
	d.kill()
	_, err = w.start(w.options())
	mustFail(t, err, ErrDiverged)
}

func TestLayerSizesAreHonouredOrRefused(t *testing.T) {
	for what, c := range map[string]struct {
		fs    filesystem.Type
		size  int64
		calls []string
		limit int64
	}{
		"larger":         {filesystem.Ext4, 2 << 30, []string{"grow a"}, 0},
		"smaller, ext4":  {filesystem.Ext4, 50 << 20, []string{"shrink 52428800"}, 0},
		"smaller, xfs":   {filesystem.XFS, 50 << 20, []string{"limit a 52428800"}, 50 << 20},
		"rounded up":     {filesystem.Ext4, 50<<20 + 1, []string{"shrink 52494336"}, 0},
		"the same again": {filesystem.Ext4, 1 << 30, nil, 0},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			d := w.mustStart(t)
			d.fs = c.fs
			w.took()
			must(t, d.Create(t.Context(), "a", "", c.size))
			calls := w.took()
			for _, want := range c.calls {
				if !slices.Contains(calls, want) {
					t.Errorf("calls %v lack %q", calls, want)
				}
			}
			// dockerd passes the same size for the container's layer on top of
			// its init layer: it is there already.
			must(t, d.Create(t.Context(), "b", "a", c.size))
			w.requireNone(t, "grow", "shrink", "limit") // the parent has that size
			found, err := d.records.Load()
			must(t, err)
			b := found.Layers["b"]
			if b.Limit != c.limit || b.Stage != state.StageReady || capacity(b) != roundUp(c.size) {
				t.Errorf("record of the child: %+v", b)
			}
		})
	}
}

func TestASizeThatCannotBeHadLeavesNothing(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	w.failOn("shrink", filesystem.ErrTooSmall)
	mustFail(t, d.Create(t.Context(), "a", "", 1<<20), filesystem.ErrTooSmall)
	w.failOn("", nil)
	d.settled(t)
	if d.Exists("a") || len(w.devices) != 1 || len(w.active) != 0 {
		t.Errorf("layer %v, devices %v, active %v", d.Exists("a"), w.devices, w.active)
	}
	create(t, d, "a", "")
}

func TestLayersUnderAQuotaAreMountedWithIt(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	d.fs = filesystem.XFS
	must(t, d.Create(t.Context(), "a", "", 50<<20))
	create(t, d, "b", "a")
	w.took()
	get(t, d, "b")
	if calls := w.took(); !slices.Contains(calls, "mount b ro=false label= quota=true") {
		t.Errorf("calls %v", calls)
	}
}

func TestKeyLocksAreTakenInOneOrderAndCanBeCancelled(t *testing.T) {
	k := newKeyLock()
	unlock, err := k.lock(t.Context(), "b", "a", "b")
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = k.lock(ctx, "0", "a")
	mustFail(t, err, context.DeadlineExceeded)
	unlock()
	unlock, err = k.lock(t.Context(), "0", "a") // the failed call kept nothing
	must(t, err)
	unlock()
	if len(k.held) != 0 {
		t.Errorf("locks left: %v", k.held)
	}
}

func TestOpposedCreatesDoNotWaitForEachOther(t *testing.T) {
	d := newWorld(t).mustStart(t)
	done := make(chan struct{}, 200)
	for range 100 {
		go func() { _ = d.Create(d.ctx(), "a", "b", 0); done <- struct{}{} }()
		go func() { _ = d.Create(d.ctx(), "b", "a", 0); done <- struct{}{} }()
	}
	for range 200 {
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatal("deadlock")
		}
	}
}

func TestDeviceNamesFitDeviceMapperAndNeverCollide(t *testing.T) {
	n := names{prefix: "dmthin-01234567"}
	ids := []string{"", "base2", "pool", "deleted-1", "x-1", "a b", "ü", "A", "a", strings.Repeat("a", 101), strings.Repeat("a", 102), strings.Repeat("f", 64) + "-init"}
	seen := map[string]string{n.prefix + "-pool": "the pool", n.deleted(1): "a deleted layer"}
	for _, id := range ids {
		name := n.device(id)
		if other, taken := seen[name]; taken {
			t.Errorf("%q and %q are both %s", id, other, name)
		}
		seen[name] = id
		if len(name) > 127 || len(n.uuid(1<<24-1, recordName(id))) > 128 {
			t.Errorf("name or UUID of %q is too long", id)
		}
	}
}
