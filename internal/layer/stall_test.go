package layer

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// stuck makes calls that begin with prefix wait until let is called, and tells
// on arrived that one does.
func (w *world) stuck(t *testing.T, prefix string) (arrived <-chan struct{}, let func()) {
	t.Helper()
	reached, gate := make(chan struct{}, 100), make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = func(call string) error {
		if strings.HasPrefix(call, prefix) {
			reached <- struct{}{}
			<-gate
		}
		return nil
	}
	let = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(let) // before the store is closed, which waits for its background
	return reached, let
}

// Docker's driver made all layers wait while one was being removed, and each
// wait of dockerd's for a layer stops the whole host. Here the kernel never
// answers a call for one layer, and all calls for others must go on.
func TestNobodyWaitsForAnotherLayersWork(t *testing.T) {
	remove := func(ctx context.Context, d *daemon) { _ = d.Remove(ctx, "slow") }
	for _, stall := range []struct {
		at   string // the kernel's call that never ends
		call func(context.Context, *daemon)
	}{
		{"detach slow", remove},
		{"close /dev/dm-", remove},
		{"discard", remove},
		{"mount idle", func(ctx context.Context, d *daemon) { _, _ = d.Get(ctx, "idle", "") }},
		{"sync slow", func(ctx context.Context, d *daemon) { _ = d.Put(ctx, "slow") }},
		{"suspend", func(ctx context.Context, d *daemon) { _ = d.Create(ctx, "child", "slow", 0) }},
		{"grow large", func(ctx context.Context, d *daemon) { _ = d.Create(ctx, "large", "", 4<<30) }},
		{"shrink", func(ctx context.Context, d *daemon) { _ = d.Create(ctx, "small", "", 1<<29) }},
		{"changes", func(ctx context.Context, d *daemon) { _, _ = d.Changes(ctx, "slow", "idle") }},
		{"write_changes", func(ctx context.Context, d *daemon) { _ = d.Diff(ctx, "slow", "idle", io.Discard) }},
		{"apply idle", func(ctx context.Context, d *daemon) { _, _ = d.ApplyDiff(ctx, "idle", strings.NewReader("x")) }},
		{"trim slow", func(ctx context.Context, d *daemon) { _ = d.Trim(ctx, []string{"slow"}, func(Trimmed) {}) }},
		{"fsck", func(ctx context.Context, d *daemon) { _, _ = d.CheckFilesystem(ctx, "idle") }},
	} {
		t.Run(stall.at, func(t *testing.T) {
			w := newWorld(t)
			d := w.startKeeping(t, time.Hour)
			for _, id := range []string{"slow", "idle", "other"} {
				create(t, d, id, "")
			}
			get(t, d, "slow")
			arrived, let := w.stuck(t, stall.at)
			ended := make(chan struct{})
			go func() { defer close(ended); stall.call(context.Background(), d) }()
			select {
			case <-arrived:
			case <-time.After(5 * time.Second):
				t.Errorf("nothing called %q", stall.at)
			}
			late := time.AfterFunc(10*time.Second, func() {
				t.Error("a call waits without a bound")
				let()
			})
			workOnOthers(t, d)
			late.Stop()
			let()
			<-ended
		})
	}
}

// A daemon that is told to stop must not wait for a disk that hangs until it is
// killed. What is not stuck is closed in order.
func TestAStopLeavesALayerWhoseWorkNeverEnds(t *testing.T) {
	for at, call := range map[string]func(context.Context, *daemon){
		"sync slow":    func(ctx context.Context, d *daemon) { _ = d.Put(ctx, "slow") },
		"discard":      func(ctx context.Context, d *daemon) { _ = d.Remove(ctx, "slow") },
		"unmount idle": func(ctx context.Context, d *daemon) { first, _ := d.idler.next(); d.idler.end(ctx, first) },
	} {
		t.Run(at, func(t *testing.T) {
			w := newWorld(t)
			d := w.startKeeping(t, time.Hour)
			var log bytes.Buffer
			d.log.Logger.SetOutput(&log)
			for _, id := range []string{"idle", "slow", "other", "used"} {
				create(t, d, id, "")
				get(t, d, id)
			}
			put(t, d, "idle")
			put(t, d, "other")
			arrived, let := w.stuck(t, at)
			ended := make(chan struct{})
			go func() { defer close(ended); call(context.Background(), d) }()
			<-arrived
			late := time.AfterFunc(10*time.Second, func() {
				t.Error("a stop waits without a bound")
				let()
			})
			soon := func() context.Context {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				t.Cleanup(cancel)
				return ctx
			}
			if !d.InUse(soon()) {
				t.Error("nobody is said to be at work")
			}
			must(t, d.Close(soon()))
			if w.mountedAt(d.mountPoint(&layer{id: "other"})) {
				t.Error("a layer that nobody uses or works on stays mounted")
			}
			if text := log.String(); !strings.Contains(text, "layer=slow") && !strings.Contains(text, "layer=idle") && !strings.Contains(text, "removed layers") {
				t.Errorf("the log doesn't say what is stuck: %s", text)
			}
			late.Stop()
			let()
			<-ended
		})
	}
}

// workOnOthers makes every call that Docker makes for layers, in bounded time.
func workOnOthers(t *testing.T, d *daemon) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	must(t, d.Create(ctx, "new", "other", 0))
	for _, id := range []string{"new", "other"} {
		_, err := d.Get(ctx, id, "")
		must(t, err)
	}
	if !d.Exists("new") {
		t.Error("a new layer doesn't exist")
	}
	for _, call := range []func() error{
		func() error { _, err := d.Info(ctx, "new"); return err },
		func() error { _, err := d.Summary(ctx); return err },
		func() error { _, err := d.List(ctx); return err },
		func() error { return d.Put(ctx, "new") },
		func() error { return d.Remove(ctx, "new") },
		func() error { return d.Put(ctx, "other") },
	} {
		must(t, call())
	}
}
