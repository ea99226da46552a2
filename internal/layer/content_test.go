package layer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/state"
)

func apply(t *testing.T, d *daemon, id, content string) {
	t.Helper()
	size, err := d.ApplyDiff(t.Context(), id, strings.NewReader(content))
	must(t, err)
	if size != int64(len(content)) {
		t.Errorf("ApplyDiff = %d, want %d", size, len(content))
	}
}

func TestApplyDiffIsOnDiskWhenItAnswers(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.took()
	apply(t, d, "a", "tar")
	calls := w.took()
	applied, synced := slices.Index(calls, "apply a"), slices.Index(calls, "sync a")
	if applied < 0 || synced < applied {
		t.Errorf("calls %v: no sync after the unpacking", calls)
	}
	if w.devices[2].content != "tar" || len(w.mounts) != 0 {
		t.Errorf("device %+v, mounts %v", w.devices[2], w.mounts)
	}
}

func TestALayerBeingFilledIsMarkedOnDisk(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	marked := false
	w.before = func(call string) error {
		if call == "apply a" {
			found, err := d.records.Load()
			marked = err == nil && found.Layers["a"].Stage == state.StageApplying
		}
		return nil
	}
	apply(t, d, "a", "tar")
	found, err := d.records.Load()
	must(t, err)
	if !marked || found.Layers["a"].Stage != state.StageReady {
		t.Errorf("marked while unpacking: %v; stage after it: %q", marked, found.Layers["a"].Stage)
	}
}

func TestAnUnpackingCutShortLeavesALayerGoodForRemoveOnly(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	_, err := d.ApplyDiff(t.Context(), "a", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	mustFail(t, err, io.ErrUnexpectedEOF)
	check := func() {
		t.Helper()
		_, err := d.Get(t.Context(), "a", "")
		mustFail(t, err, ErrUnfinished)
		mustFail(t, d.Create(t.Context(), "c", "a", 0), ErrUnfinished)
		mustFail(t, d.Diff(t.Context(), "a", "", io.Discard), ErrUnfinished)
		_, err = d.ApplyDiff(t.Context(), "a", strings.NewReader(""))
		mustFail(t, err, ErrUnfinished)
	}
	check()
	d.kill()
	d = w.mustStart(t)
	check()
	must(t, d.Remove(t.Context(), "a"))
	create(t, d, "a", "")
}

func TestASyncThatFailsFailsTheUnpacking(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.failOn("sync", unix.EIO)
	_, err := d.ApplyDiff(t.Context(), "a", strings.NewReader("tar"))
	mustFail(t, err, unix.EIO)
	w.failOn("", nil)
	_, err = d.Get(t.Context(), "a", "")
	mustFail(t, err, ErrUnfinished)
}

// A filesystem whose journal failed in the background syncs without complaint.
func TestAFilesystemThatStoppedFailsTheUnpacking(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.failOn("alive", unix.EIO)
	_, err := d.ApplyDiff(t.Context(), "a", strings.NewReader("tar"))
	mustFail(t, err, unix.EIO)
	w.failOn("", nil)
	_, err = d.Get(t.Context(), "a", "")
	mustFail(t, err, ErrUnfinished)
}

func TestDiffReadsWithoutWritingToTheLayers(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "p", "")
	create(t, d, "c", "p")
	w.took()
	var out bytes.Buffer
	must(t, d.Diff(t.Context(), "c", "p", &out))
	if out.String() != "tar of changes" {
		t.Errorf("Diff wrote %q", &out)
	}
	for _, call := range w.took() {
		if strings.HasPrefix(call, "mount ") && !strings.Contains(call, "ro=true") {
			t.Errorf("%s: mounted for writing", call)
		}
	}
	if len(w.mounts) != 0 || len(w.active) != 0 {
		t.Errorf("after Diff: mounts %v, active %v", w.mounts, w.active)
	}
}

func TestDiffWithoutParentIsTheWholeLayer(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	var out bytes.Buffer
	must(t, d.Diff(t.Context(), "a", "", &out))
	if out.String() != "tar of all" {
		t.Errorf("Diff wrote %q", &out)
	}
	changes, err := d.Changes(t.Context(), "a", "")
	must(t, err)
	size, err := d.DiffSize(t.Context(), "a", "")
	must(t, err)
	if len(changes) != 1 || size != 42 || len(w.mounts) != 0 {
		t.Errorf("Changes %v, DiffSize %d, mounts %v", changes, size, w.mounts)
	}
}

// blockedWriter blocks the first write until released.
type blockedWriter struct{ entered, release chan struct{} }

func (b blockedWriter) Write(p []byte) (int, error) {
	close(b.entered)
	<-b.release
	return len(p), nil
}

func TestAStreamHoldsUpNoOtherCall(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "p", "")
	create(t, d, "c", "p")
	b := blockedWriter{make(chan struct{}), make(chan struct{})}
	done := make(chan error)
	go func() { done <- d.Diff(context.Background(), "c", "p", b) }()
	<-b.entered
	// As docker commit does it: a new layer on the same parent, filled, while
	// the Diff is read. And more than it does: both layers themselves are got.
	create(t, d, "n", "p")
	apply(t, d, "n", "tar")
	get(t, d, "p")
	get(t, d, "c")
	must(t, d.Put(t.Context(), "c"))
	if _, ok := w.mounts[d.mountPoint(d.layers["c"])]; !ok {
		t.Error("a Put unmounted a layer that is being read")
	}
	must(t, d.Put(t.Context(), "p"))
	close(b.release)
	must(t, <-done)
	if len(w.mounts) != 0 {
		t.Errorf("mounts left: %v", w.mounts)
	}
}

func TestAGetDuringADiffMakesTheMountWritable(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	b := blockedWriter{make(chan struct{}), make(chan struct{})}
	done := make(chan error)
	go func() { done <- d.Diff(context.Background(), "a", "", b) }()
	<-b.entered
	get(t, d, "a")
	if w.mounts[d.mountPoint(d.layers["a"])].ReadOnly {
		t.Error("the container got a read-only mount")
	}
	close(b.release)
	must(t, <-done)
	if len(w.mounts) != 1 {
		t.Error("the end of the Diff unmounted a layer in use")
	}
}

func TestALayerThatCannotBeMadeWritableIsNotLeftMounted(t *testing.T) {
	w := newWorld(t)
	d := w.startKeeping(t, time.Hour)
	create(t, d, "a", "")
	must(t, d.Diff(t.Context(), "a", "", io.Discard))
	w.failOn("make_writable", unix.EROFS)
	_, err := d.Get(t.Context(), "a", "")
	mustFail(t, err, unix.EROFS)
	w.failOn("", nil)
	must(t, d.RemoveUnused(t.Context(), "a", false))
}

func TestALayerCanBeRemovedWhileItIsRead(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	b := blockedWriter{make(chan struct{}), make(chan struct{})}
	done := make(chan error)
	go func() { done <- d.Diff(context.Background(), "a", "", b) }()
	<-b.entered
	must(t, d.Remove(t.Context(), "a"))
	create(t, d, "a", "")
	get(t, d, "a")
	close(b.release)
	must(t, <-done)
	if len(w.mounts) != 1 {
		t.Errorf("the end of the old stream unmounted the new layer: %v", w.mounts)
	}
}

func TestALayerMountedElsewhereForWritingCanBeRead(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.before = func(call string) error {
		if strings.HasPrefix(call, "mount a ro=true") {
			return unix.EBUSY
		}
		return nil
	}
	must(t, d.Diff(t.Context(), "a", "", io.Discard))
}

func TestUnpackingWaitsForTheSecondOfTheNewestFileOnlyWhereSecondsAreWhole(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	for _, w.fractions = range []bool{true, false} {
		w.newest = beginOfASecond()
		_, err := d.ApplyDiff(t.Context(), "a", strings.NewReader("x"))
		must(t, err)
		waited := time.Now().Unix() != w.newest.Unix()
		if waited && w.fractions {
			t.Error("waited though a change would be seen by its fraction of a second")
		} else if !waited && !w.fractions {
			t.Error("a file of the layer that is changed now would look unchanged to the next comparison")
		}
	}
}

// beginOfASecond waits for one, so that what is quick ends within it.
func beginOfASecond() time.Time {
	now := time.Now()
	time.Sleep(now.Truncate(time.Second).Add(time.Second).Sub(now))
	return time.Now()
}

func TestOnlyAFileOfThisSecondIsWaitedFor(t *testing.T) {
	start := time.Now()
	must(t, waitPast(t.Context(), start.Add(-2*time.Second)))
	must(t, waitPast(t.Context(), start.Add(time.Hour)))
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("waited %v for files that can't be mistaken", took)
	}
	now := time.Now()
	must(t, waitPast(t.Context(), now))
	if time.Now().Unix() == now.Unix() {
		t.Error("a file changed now would look unchanged to the next comparison")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := waitPast(ctx, time.Now().Truncate(time.Second).Add(999*time.Millisecond)); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
