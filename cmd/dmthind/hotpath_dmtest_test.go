//go:build dmtest

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/diff"
	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/thinpool"
	"github.com/dmthin/dmthin/plugin"
)

// BenchmarkHotPath times the calls that Docker waits for most. Per call it
// prints milliseconds, and which of them went to what the store stands on; what
// is left is mostly the records' syncs.
func BenchmarkHotPath(b *testing.B) {
	for _, through := range []string{"store", "socket"} {
		b.Run(through, func(b *testing.B) {
			spent := &stopwatch{}
			calls := newHotPath(b, spent, through == "socket")
			b.ResetTimer()
			for b.Loop() {
				calls.life(b)
			}
			spent.report(b)
		})
	}
	b.Run("16 at once", func(b *testing.B) {
		spent := &stopwatch{}
		calls := newHotPath(b, spent, false)
		for n := range 16 {
			calls.create(b, fmt.Sprint("p", n), "")
		}
		begin := time.Now()
		for b.Loop() {
			var all sync.WaitGroup
			for n := range 16 {
				all.Go(func() { calls.getPut(b, fmt.Sprint("p", n)) })
			}
			all.Wait()
		}
		b.ReportMetric(time.Since(begin).Seconds()*1000/float64(16*b.N), "ms/call")
		spent.report(b)
	})
}

// BenchmarkBuildStep times what a build step asks of a change in an image of 5,000
// files: a comparison, and a layer of what was found.
func BenchmarkBuildStep(b *testing.B) {
	for _, changed := range []int{10, 1000} {
		b.Run(fmt.Sprint(changed, " changed"), func(b *testing.B) {
			spent := &stopwatch{}
			h := newHotPath(b, spent, false)
			_, err := h.driver.ApplyDiff(b.Context(), "image", "", manyFiles(b, 5000))
			h.must(b, err)
			*spent = stopwatch{}
			for b.Loop() {
				h.buildStep(b, changed)
			}
			spent.report(b)
		})
	}
}

func (h *hotPath) buildStep(b *testing.B, changed int) {
	h.n++
	id := fmt.Sprint("step", h.n)
	h.create(b, id, "image")
	dir, err := h.driver.Get(b.Context(), id, "")
	h.must(b, err)
	for i := range changed {
		h.must(b, os.WriteFile(filepath.Join(dir, fileName(i*5000/changed)), []byte("changed"), 0o600))
	}
	h.must(b, h.driver.Put(b.Context(), id))
	var layer bytes.Buffer
	h.spent.time("call Diff", func() { h.must(b, h.driver.Diff(b.Context(), id, "image", &layer)) })
	h.must(b, h.driver.Remove(b.Context(), id))
	h.create(b, id+"-image", "image")
	h.spent.time("call ApplyDiff", func() {
		_, err := h.driver.ApplyDiff(b.Context(), id+"-image", "image", &layer)
		h.must(b, err)
	})
	h.must(b, h.driver.Remove(b.Context(), id+"-image"))
}

// fileName spreads files over folders, 50 in each.
func fileName(i int) string { return fmt.Sprintf("usr/share/%d/%d", i/50, i) }

// manyFiles is a tar of so many small files.
func manyFiles(b *testing.B, n int) io.Reader {
	var buf bytes.Buffer
	t := tar.NewWriter(&buf)
	for i := range n {
		h := tar.Header{Typeflag: tar.TypeReg, Name: fileName(i), Mode: 0o644, Size: 2, ModTime: time.Unix(1e9, 0)}
		if err := t.WriteHeader(&h); err != nil {
			b.Fatal(err)
		}
		if _, err := t.Write([]byte("x\n")); err != nil {
			b.Fatal(err)
		}
	}
	if err := t.Close(); err != nil {
		b.Fatal(err)
	}
	return &buf
}

// hotPath makes calls and adds up how long each kind takes.
type hotPath struct {
	spent  *stopwatch
	driver plugin.Driver
	n      int
}

// life is what Docker makes of a container: its init layer, its own, two mounts.
func (h *hotPath) life(b *testing.B) {
	h.n++
	initLayer, own := fmt.Sprintf("c%d-init", h.n), fmt.Sprintf("c%d", h.n)
	h.create(b, initLayer, "image")
	h.getPut(b, initLayer)
	h.create(b, own, initLayer)
	h.getPut(b, own)
	h.getPut(b, own)
	for _, id := range []string{own, initLayer} {
		h.spent.time("call Remove", func() { h.must(b, h.driver.Remove(b.Context(), id)) })
	}
}

func (h *hotPath) create(b *testing.B, id, parent string) {
	h.spent.time("call Create", func() {
		h.must(b, h.driver.Create(b.Context(), plugin.CreateRequest{ID: id, Parent: parent}))
	})
}

func (h *hotPath) getPut(b *testing.B, id string) {
	h.spent.time("call Get", func() {
		_, err := h.driver.Get(b.Context(), id, "")
		h.must(b, err)
	})
	h.spent.time("call Put", func() { h.must(b, h.driver.Put(b.Context(), id)) })
}

func (h *hotPath) must(b *testing.B, err error) {
	if err != nil {
		b.Error(err)
	}
}

// newHotPath starts a daemon on a pool of default sizes, with one image layer.
func newHotPath(b *testing.B, spent *stopwatch, socket bool) *hotPath {
	dir := b.TempDir()
	set := settings{
		state: filepath.Join(dir, "state"), initRecord: filepath.Join(dir, "init.json"),
		adminSocket: filepath.Join(dir, "admin.sock"),
	}
	d := newDriver(set, quietLog())
	b.Cleanup(func() {
		if err := errors.Join(d.Cleanup(context.Background()), d.stop()); err != nil {
			b.Error(err)
		}
	})
	home := filepath.Join(dir, "home")
	if err := d.Init(b.Context(), plugin.InitRequest{Home: home, Options: []string{"dm.loopdatasize=4GB"}}); err != nil {
		b.Fatal(err)
	}
	spent.wrap(b, d.current())
	h := &hotPath{spent: spent, driver: d}
	h.must(b, d.Create(b.Context(), plugin.CreateRequest{ID: "image"}))
	if socket {
		h.driver = throughSocket(b, d)
	}
	return h
}

// stopwatch adds up time by what it was spent on.
type stopwatch struct {
	mu    sync.Mutex // protects all
	names []string   // in order of appearance
	total map[string]time.Duration
	count map[string]int
}

func (s *stopwatch) time(what string, f func()) {
	begin := time.Now()
	f()
	spent := time.Since(begin)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total == nil {
		s.total, s.count = map[string]time.Duration{}, map[string]int{}
	}
	if s.count[what] == 0 {
		s.names = append(s.names, what)
	}
	s.total[what] += spent
	s.count[what]++
}

func (s *stopwatch) report(b *testing.B) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.names {
		mean := s.total[name].Seconds() * 1000 / float64(s.count[name])
		fmt.Printf("%-24s %6d × %8.3f ms\n", name, s.count[name], mean) // b.Log shows ten lines only
		if call, ok := strings.CutPrefix(name, "call "); ok {
			b.ReportMetric(mean, "ms/"+call)
		}
	}
}

// wrap gives the instance a store whose system is timed.
func (s *stopwatch) wrap(b *testing.B, i *instance) {
	sys := newSystem(i.pool, i.metadata, i.observeDiff, 0, i.log)
	sys.Pool, sys.Devices = timedPool{sys.Pool, s}, timedDevices{sys.Devices, s}
	sys.Freezer, sys.Mounter = timedFreezer{sys.Freezer, s}, timedMounter{sys.Mounter, s}
	sys.Differ = timedDiffer{sys.Differ, s}
	if err := i.layers.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	var err error
	i.layers, err = layer.Open(b.Context(), sys, i.records, layer.Options{
		MinFreePercent: 10, Discard: true, DeferredRemoval: true, DeferredDeletion: true,
		MountRoot: layer.MountRoot(i.request.Home), KeepMounted: keepMounted, ReclaimAfter: reclaimAfter,
	}, i.log)
	if err != nil {
		b.Fatal(err)
	}
}

type timedPool struct {
	layer.Pool
	*stopwatch
}

func (t timedPool) Status(ctx context.Context) (s thinpool.Status, err error) {
	t.time("  pool status", func() { s, err = t.Pool.Status(ctx) })
	return s, err
}

func (t timedPool) CreateSnapshot(ctx context.Context, id, origin thinpool.DeviceID) (err error) {
	t.time("  pool create_snap", func() { err = t.Pool.CreateSnapshot(ctx, id, origin) })
	return err
}

func (t timedPool) Delete(ctx context.Context, id thinpool.DeviceID) (err error) {
	t.time("  pool delete", func() { err = t.Pool.Delete(ctx, id) })
	return err
}

func (t timedPool) SetTransactionID(ctx context.Context, from, to uint64) (err error) {
	t.time("  pool set_transaction_id", func() { err = t.Pool.SetTransactionID(ctx, from, to) })
	return err
}

type timedDevices struct {
	layer.Devices
	*stopwatch
}

func (t timedDevices) Activate(ctx context.Context, thin thinpool.Thin, sync bool) (d thinpool.Device, err error) {
	t.time("  activate", func() { d, err = t.Devices.Activate(ctx, thin, sync) })
	return d, err
}

func (t timedDevices) Deactivate(ctx context.Context, name string) (err error) {
	t.time("  deactivate", func() { err = t.Devices.Deactivate(ctx, name) })
	return err
}

func (t timedDevices) Rename(ctx context.Context, from, to string) (err error) {
	t.time("  rename", func() { err = t.Devices.Rename(ctx, from, to) })
	return err
}

func (t timedDevices) Discard(ctx context.Context, thin thinpool.Thin, d thinpool.Device) (err error) {
	t.time("  discard", func() { err = t.Devices.Discard(ctx, thin, d) })
	return err
}

type timedFreezer struct {
	layer.Freezer
	*stopwatch
}

func (t timedFreezer) Lookup(ctx context.Context, name string) (i thinpool.Info, err error) {
	t.time("  look up", func() { i, err = t.Freezer.Lookup(ctx, name) })
	return i, err
}

func (t timedFreezer) Suspend(ctx context.Context, name string) (err error) {
	t.time("  suspend", func() { err = t.Freezer.Suspend(ctx, name) })
	return err
}

func (t timedFreezer) Resume(ctx context.Context, name string) (err error) {
	t.time("  resume", func() { err = t.Freezer.Resume(ctx, name) })
	return err
}

type timedDiffer struct {
	layer.Differ
	*stopwatch
}

func (t timedDiffer) Changes(ctx context.Context, l, parent layer.Side, still layer.Still) (c []diff.Change, err error) {
	timed := func(ctx context.Context, look func() error) (err error) {
		t.time("  hold still", func() {
			err = still(ctx, func() (err error) {
				t.time("  scan", func() { err = look() })
				return err
			})
		})
		return err
	}
	t.time("  compare", func() { c, err = t.Differ.Changes(ctx, l, parent, timed) })
	return c, err
}

type timedMounter struct {
	layer.Mounter
	*stopwatch
}

func (t timedMounter) Mount(ctx context.Context, device, dir string, kind filesystem.Type, o filesystem.MountOptions) (err error) {
	t.time("  mount", func() { err = t.Mounter.Mount(ctx, device, dir, kind, o) })
	return err
}

func (t timedMounter) Unmount(ctx context.Context, dir string) (detached bool, err error) {
	t.time("  unmount", func() { detached, err = t.Mounter.Unmount(ctx, dir) })
	return detached, err
}

func (t timedMounter) Detach(dir string) (c io.Closer, err error) {
	t.time("  detach", func() { c, err = t.Mounter.Detach(dir) })
	return c, err
}

func (t timedMounter) Sync(dir string) (err error) {
	t.time("  sync", func() { err = t.Mounter.Sync(dir) })
	return err
}

// throughSocket returns a driver whose calls go through the plugin's socket.
func throughSocket(b *testing.B, d *driver) plugin.Driver {
	path := filepath.Join(b.TempDir(), "dmthin.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: plugin.New(d, quietLog()), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	b.Cleanup(func() { _ = server.Close() })
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return socketDriver{d, &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

type socketDriver struct {
	plugin.Driver
	client *http.Client
}

func (s socketDriver) call(ctx context.Context, method, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://plugin/GraphDriver."+method, bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(res.Body)
	if err == nil && strings.Contains(string(answer), `"Err":"`) {
		err = fmt.Errorf("%s: %s", method, answer)
	}
	return errors.Join(err, res.Body.Close())
}

func (s socketDriver) Create(ctx context.Context, req plugin.CreateRequest) error {
	return s.call(ctx, "Create", fmt.Sprintf(`{"ID":%q,"Parent":%q}`, req.ID, req.Parent))
}

func (s socketDriver) Get(ctx context.Context, id, _ string) (string, error) {
	return "", s.call(ctx, "Get", fmt.Sprintf(`{"ID":%q}`, id))
}

func (s socketDriver) Put(ctx context.Context, id string) error {
	return s.call(ctx, "Put", fmt.Sprintf(`{"ID":%q}`, id))
}

func (s socketDriver) Remove(ctx context.Context, id string) error {
	return s.call(ctx, "Remove", fmt.Sprintf(`{"ID":%q}`, id))
}
