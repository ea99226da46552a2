package layer

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// crossing runs work right after the store has looked at what is mounted, or
// active: what it was told is old by then.
type crossing struct {
	*world
	afterMounts, afterActive func()
}

func (c *crossing) Mounts(ctx context.Context, under string) ([]filesystem.MountPoint, error) {
	found, err := c.world.Mounts(ctx, under)
	c.afterMounts()
	c.afterMounts = func() {}
	return found, err
}

func (c crossing) Active(ctx context.Context) ([]thinpool.Info, error) {
	c.afterActive()
	return c.world.Active(ctx)
}

func TestAnInitToALivingProcessSeesWhatHappensMeanwhile(t *testing.T) {
	for name, put := range map[string]bool{"a Get": false, "a Put": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.mustStart(t)
			create(t, d, "a", "")
			cross := func() { get(t, d, "a") }
			want := 1
			if put {
				get(t, d, "a")
				cross, want = func() { must(t, d.Put(t.Context(), "a")) }, 0
			}
			d.sys.Mounter = &crossing{world: w, afterMounts: cross}
			must(t, d.Adopt(t.Context()))
			if info, err := d.Info(t.Context(), "a"); err != nil || info.References != want {
				t.Errorf("%d references, %v; want %d", info.References, err, want)
			}
			if dir := get(t, d, "a"); !w.mountedAt(strings.TrimSuffix(dir, "/rootfs")) {
				t.Error("Get returned an empty folder")
			}
		})
	}
}

func TestAnInitToALivingProcessCountsALayerThatIsReadAnew(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	get(t, d, "a")
	get(t, d, "a") // of a dockerd that died before its Put
	w.before = func(call string) error {
		if call == "write_all" {
			must(t, d.Adopt(t.Context()))
		}
		return nil
	}
	must(t, d.Diff(t.Context(), "a", "", io.Discard))
	if info, err := d.Info(t.Context(), "a"); err != nil || info.References != 1 {
		t.Errorf("%d references, %v; want 1", info.References, err)
	}
}

// A check of a large filesystem takes minutes, and dockerd can't start before
// its Init is answered.
func TestAnInitToALivingProcessWaitsForNoFilesystemCheck(t *testing.T) {
	w := newWorld(t)
	d := w.mustStart(t)
	create(t, d, "a", "")
	w.before = func(call string) error {
		if call == "fsck" {
			w.took()
			short, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			must(t, d.Adopt(short))
			if calls := w.took(); len(calls) > 0 {
				t.Errorf("the device that is being checked met %q", calls)
			}
		}
		return nil
	}
	_, err := d.CheckFilesystem(t.Context(), "a")
	must(t, err)
	d.settled(t)
	if len(w.active) != 0 || len(w.devices) != 2 {
		t.Errorf("left: active %v, devices %v", w.active, w.devices)
	}
}

// Other calls may be in the middle of their work with a device: the operator's
// ones know nothing of dockerd's restart.
func TestAnInitToALivingProcessLeavesDevicesAloneThatAreWorkedOn(t *testing.T) {
	for at, work := range map[string]func(*testing.T, *daemon){
		"mount a":     func(t *testing.T, d *daemon) { get(t, d, "a") },
		"create_snap": func(t *testing.T, d *daemon) { create(t, d, "b", "p") },
	} {
		t.Run(at, func(t *testing.T) {
			w := newWorld(t)
			d := w.mustStart(t)
			create(t, d, "a", "")
			create(t, d, "p", "")
			get(t, d, "p")
			var working sync.WaitGroup
			begun := make(chan bool)
			d.sys.Inventory = crossing{world: w, afterActive: func() {
				working.Go(func() { work(t, d) })
				<-begun
			}}
			w.before = func(call string) error {
				if strings.HasPrefix(call, at) {
					close(begun)
					time.Sleep(50 * time.Millisecond)
					w.requireNone(t, "deactivate", "resume")
				}
				return nil
			}
			w.took()
			must(t, d.Adopt(t.Context()))
			working.Wait()
		})
	}
}
