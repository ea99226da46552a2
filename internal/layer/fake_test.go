package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// world is a pool, its devices and mounts, kept in memory. It outlives stores,
// as the kernel outlives a daemon.
type world struct {
	mu        sync.Mutex
	dir       string
	tid       uint64
	mode      thinpool.Mode
	used      uint64
	full      bool  // of metadata
	lost      error // what creations return, though they are made
	unsaid    error // what setting the transaction ID returns, though it is set
	devices   map[thinpool.DeviceID]thinDev
	active    map[string]thinpool.Info
	held      map[string]bool // devices that somebody else has open
	mounts    map[string]filesystem.MountPoint
	calls     []string
	damage    []string        // in every filesystem
	newest    time.Time       // of the files in tars that are unpacked
	fractions bool            // of seconds are kept for them
	reading   chan struct{}   // full while somebody reads the pool's metadata
	detached  map[string]bool // devices of mounts without a place; a process's end closes them

	// before is asked ahead of every call; an error is returned by the call.
	before func(call string) error
}

type thinDev struct {
	made    uint64
	content string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{
		dir: t.TempDir(), mode: thinpool.ModeReadWrite, reading: make(chan struct{}, 1),
		devices: map[thinpool.DeviceID]thinDev{}, active: map[string]thinpool.Info{},
		held: map[string]bool{}, detached: map[string]bool{}, mounts: map[string]filesystem.MountPoint{},
	}
}

// call notes a call and lets before fail it; the lock is held until unlock.
func (w *world) call(format string, args ...any) (unlock func(), err error) {
	call := fmt.Sprintf(format, args...)
	w.mu.Lock()
	before := w.before
	w.mu.Unlock()
	if before != nil {
		if err := before(call); err != nil {
			return nil, err
		}
	}
	w.mu.Lock()
	w.calls = append(w.calls, call)
	return w.mu.Unlock, nil
}

// took returns the calls made since the last took, and forgets them.
func (w *world) took() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = nil
	return calls
}

// requireNone fails the test if a call of such a kind was made since the last took.
func (w *world) requireNone(t *testing.T, kinds ...string) {
	t.Helper()
	for _, call := range w.took() {
		if slices.ContainsFunc(kinds, func(kind string) bool { return strings.HasPrefix(call, kind) }) {
			t.Errorf("%s was called", call)
		}
	}
}

func (w *world) failOn(prefix string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = func(call string) error {
		if err != nil && strings.HasPrefix(call, prefix) {
			return err
		}
		return nil
	}
}

func (w *world) setMode(mode thinpool.Mode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mode = mode
}

func (w *world) Status(context.Context) (thinpool.Status, error) {
	unlock, err := w.call("status")
	if err != nil {
		return thinpool.Status{}, err
	}
	defer unlock()
	status := thinpool.Status{
		TransactionID: w.tid, Mode: w.mode, BlockSize: 64 << 10,
		DataUsed: w.used, DataTotal: 1000, DiscardPassdown: true, MetadataUsed: 1, MetadataTotal: 100,
	}
	if w.full {
		status.MetadataUsed = status.MetadataTotal
	}
	return status, nil
}

// fillMetadata leaves the pool no room for metadata, or gives it some again.
func (w *world) fillMetadata(full bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.full, w.mode = full, thinpool.ModeReadWrite
	if full {
		w.mode = thinpool.ModeReadOnly
	}
}

// message is a call that changes the pool.
func (w *world) message(format string, args ...any) (unlock func(), err error) {
	unlock, err = w.call(format, args...)
	if err == nil && w.full {
		unlock()
		return nil, thinpool.ErrReadOnly
	}
	return unlock, err
}

func (w *world) add(id thinpool.DeviceID, content string) error {
	if _, ok := w.devices[id]; ok {
		return thinpool.ErrDeviceExists
	}
	w.devices[id] = thinDev{w.tid, content}
	return w.lost
}

func (w *world) CreateThin(_ context.Context, id thinpool.DeviceID) error {
	unlock, err := w.message("create_thin %d", id)
	if err != nil {
		return err
	}
	defer unlock()
	return w.add(id, "")
}

func (w *world) CreateSnapshot(_ context.Context, id, origin thinpool.DeviceID) error {
	unlock, err := w.message("create_snap %d %d", id, origin)
	if err != nil {
		return err
	}
	defer unlock()
	from, ok := w.devices[origin]
	if !ok {
		return thinpool.ErrNoDevice
	}
	return w.add(id, from.content)
}

func (w *world) Delete(_ context.Context, id thinpool.DeviceID) error {
	unlock, err := w.message("delete %d", id)
	if err != nil {
		return err
	}
	defer unlock()
	for _, a := range w.active {
		if a.ID == id {
			return thinpool.ErrBusy
		}
	}
	if _, ok := w.devices[id]; !ok {
		return thinpool.ErrNoDevice
	}
	delete(w.devices, id)
	return nil
}

func (w *world) SetTransactionID(_ context.Context, from, to uint64) error {
	unlock, err := w.message("set_transaction_id %d %d", from, to)
	if err != nil {
		return err
	}
	defer unlock()
	if w.tid != from {
		return fmt.Errorf("transaction ID is %d", w.tid)
	}
	w.tid = to
	return w.unsaid
}

func (w *world) Activate(_ context.Context, t thinpool.Thin, _ bool) (thinpool.Device, error) {
	unlock, err := w.call("activate %s", t.Name)
	if err != nil {
		return thinpool.Device{}, err
	}
	defer unlock()
	if _, ok := w.devices[t.ID]; !ok {
		return thinpool.Device{}, thinpool.ErrNoDevice
	}
	if a, ok := w.active[t.Name]; ok && a.UUID != t.UUID {
		return thinpool.Device{}, thinpool.ErrForeign
	}
	d := thinpool.Device{Path: "/dev/dm-" + t.Name, Minor: uint32(t.ID)}
	w.active[t.Name] = thinpool.Info{Exists: true, Name: t.Name, UUID: t.UUID, ID: t.ID, Size: t.Size, Device: d}
	return d, nil
}

func (w *world) Deactivate(_ context.Context, name string) error {
	unlock, err := w.call("deactivate %s", name)
	if err != nil {
		return err
	}
	defer unlock()
	if w.held[name] || w.detached[w.active[name].Device.Path] {
		return thinpool.ErrBusy
	}
	delete(w.active, name)
	return nil
}

func (w *world) DeactivateDeferred(_ context.Context, name string) error {
	unlock, err := w.call("deactivate_deferred %s", name)
	if err != nil {
		return err
	}
	defer unlock()
	a := w.active[name]
	a.DeferredRemove = true
	w.active[name] = a
	return nil
}

func (w *world) Rename(_ context.Context, from, to string) error {
	unlock, err := w.call("rename %s %s", from, to)
	if err != nil {
		return err
	}
	defer unlock()
	a, ok := w.active[from]
	if !ok {
		return thinpool.ErrNotActive
	}
	a.Name = to
	w.active[to], w.held[to] = a, w.held[from]
	delete(w.active, from)
	delete(w.held, from)
	return nil
}

// letGo ends whatever holds a device open.
func (w *world) letGo(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.held, name)
	if w.active[name].DeferredRemove {
		delete(w.active, name)
	}
}

func (w *world) Discard(_ context.Context, _ thinpool.Thin, d thinpool.Device) error {
	unlock, err := w.call("discard %d", d.Minor)
	if err != nil {
		return err
	}
	defer unlock()
	return nil
}

func (w *world) Lookup(_ context.Context, name string) (thinpool.Info, error) {
	unlock, err := w.call("lookup %s", name)
	if err != nil {
		return thinpool.Info{}, err
	}
	defer unlock()
	info := w.active[name]
	for _, m := range w.mounts {
		if m.Source == info.Device.Path {
			info.OpenCount++
		}
	}
	if w.held[name] || w.detached[info.Device.Path] {
		info.OpenCount++
	}
	return info, nil
}

func (w *world) setSuspended(name string, suspended bool) {
	a := w.active[name]
	a.Suspended = suspended
	w.active[name] = a
}

func (w *world) Suspend(_ context.Context, name string) error {
	unlock, err := w.call("suspend %s", name)
	if err != nil {
		return err
	}
	defer unlock()
	w.setSuspended(name, true)
	return nil
}

func (w *world) Resume(_ context.Context, name string) error {
	unlock, err := w.call("resume %s", name)
	if err != nil {
		return err
	}
	defer unlock()
	w.setSuspended(name, false)
	return nil
}

func (w *world) Existing(context.Context) (map[thinpool.DeviceID]uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	existing := map[thinpool.DeviceID]uint64{}
	for id, d := range w.devices {
		existing[id] = d.made
	}
	return existing, nil
}

func (w *world) Active(context.Context) ([]thinpool.Info, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Values(w.active)), nil
}

func (w *world) Mapped(context.Context, string) (uint64, error) { return 8, nil }

func (w *world) Turn(ctx context.Context) (done func(), err error) {
	select {
	case w.reading <- struct{}{}:
		return func() { <-w.reading }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *world) Hold(context.Context) (string, func(context.Context) error, error) {
	unlock, err := w.call("hold")
	if err != nil {
		return "", nil, err
	}
	defer unlock()
	return "/dev/metadata", func(context.Context) error { return w.simple("release") }, nil
}

func (w *world) Trim(_ context.Context, dir string) (int64, error) {
	return 4096, w.simple("trim %s", filepath.Base(dir))
}

func (w *world) Allocate(_ context.Context, d thinpool.Device, size int64) error {
	return w.simple("allocate %d %d", d.Minor, size)
}

func (w *world) simple(format string, args ...any) error {
	unlock, err := w.call(format, args...)
	if err != nil {
		return err
	}
	unlock()
	return nil
}

// daemon is a store and the records it runs on.
type daemon struct {
	*Store
	records *state.Store
}

func (w *world) options() Options {
	return Options{
		BaseSize: 1 << 30, MinFreePercent: 10, Discard: true,
		DeferredRemoval: true, DeferredDeletion: true,
		MountRoot: filepath.Join(w.dir, "mnt"),
	}
}

// start opens a store on the world, as a process start does.
func (w *world) start(o Options) (*daemon, error) {
	records, err := state.Open(filepath.Join(w.dir, "state"))
	if err != nil {
		return nil, err
	}
	w.endDetached()
	log := logrus.New()
	log.SetOutput(io.Discard)
	sys := System{w, w, w, w, w, w, w, w, w, w, w, w}
	s, err := Open(context.Background(), sys, records, o, logrus.NewEntry(log))
	if err != nil {
		return nil, errors.Join(err, records.Close())
	}
	return &daemon{s, records}, nil
}

func (w *world) mustStart(t *testing.T) *daemon {
	t.Helper()
	return w.mustStartWith(t, w.options())
}

func (w *world) mustStartWith(t *testing.T, o Options) *daemon {
	t.Helper()
	d, err := w.start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)
	return d
}

// kill ends the store like SIGKILL: nothing is saved or unmounted.
func (d *daemon) kill() {
	d.reclaimer.stop()
	d.idler.stop()
	d.records.Close()
}

func (r *reclaimer) stop() { r.halt(context.Background()) }

func (i *idler) stop() { i.halt(context.Background()) }

// settled waits until no blocks are left to give back.
func (d *daemon) settled(t *testing.T) {
	t.Helper()
	for range 500 {
		if len(d.pending()) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("still to be reclaimed after 5 s: %v", d.pending())
}
