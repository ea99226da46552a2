package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/config"
	"github.com/dmthin/dmthin/internal/metrics"
	"github.com/dmthin/dmthin/plugin"
)

// driver is the plugin.Driver: it makes an instance when Init comes and passes
// all other calls on to it.
type driver struct {
	set     settings
	log     *logrus.Entry
	started time.Time
	metrics *metrics.Metrics

	initMu  sync.Mutex // one Init, Cleanup or stop at a time; outermost
	unsaved bool       // the instance's Init is not on record; protected by initMu

	mu       sync.Mutex // protects the rest; never held while waiting
	instance *instance
	failure  error // why the last Init failed
	admin    *adminServer

	settled chan struct{} // closed by settle
	settle  func()        // the first resume or Init has ended; may be called again
}

var _ plugin.Driver = (*driver)(nil)

func newDriver(set settings, log *logrus.Entry) *driver {
	settled := make(chan struct{})
	d := &driver{
		set: set, log: log, started: time.Now(),
		settled: settled, settle: sync.OnceFunc(func() { close(settled) }),
	}
	d.metrics = metrics.New(view{d}, thisBuild())
	return d
}

// enter returns the instance for one call. leave must be called after it. While
// the work of an earlier run is being taken up it waits: dockerd doesn't repeat
// a call that failed, and a crash is no reason to fail one that comes after it.
func (d *driver) enter(ctx context.Context) (i *instance, leave func(), err error) {
	select {
	case <-d.settled:
		return d.enterNow()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// enterNow is enter for those who would rather know that there is no instance.
func (d *driver) enterNow() (i *instance, leave func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.instance != nil:
		d.instance.calls.Add(1)
		return d.instance, d.instance.calls.Done, nil
	case d.failure != nil:
		return nil, nil, fmt.Errorf("the storage driver could not start: %w", d.failure)
	}
	return nil, nil, plugin.ErrNotInitialised
}

// Init opens the pool. The same Init again, from a dockerd that restarted while
// this process lived on, only counts anew who has what mounted.
func (d *driver) Init(ctx context.Context, req plugin.InitRequest) error {
	d.initMu.Lock()
	defer d.initMu.Unlock()
	defer d.settle()
	if i := d.current(); i != nil {
		if i.request.same(req) {
			if err := i.layers.Adopt(ctx); err != nil || !d.unsaved {
				return err
			}
			return d.remember(req)
		}
		if err := d.retire(ctx, (*instance).detach); err != nil {
			return err
		}
	}
	if err := d.open(ctx, req); err != nil {
		return err
	}
	return d.remember(req)
}

func (d *driver) remember(req plugin.InitRequest) error {
	err := saveInit(d.set.initRecord, req)
	d.unsaved = err != nil
	return err
}

func (d *driver) open(ctx context.Context, req plugin.InitRequest) error {
	// dockerd may close the connection, the pool must still end up whole.
	i, err := openInstance(context.WithoutCancel(ctx), d.set, req, d.metrics.ObserveDiff, d.log)
	d.mu.Lock()
	d.instance, d.failure = i, err
	d.mu.Unlock()
	if err != nil {
		d.log.WithError(err).Error("the pool can't be used")
	}
	if err := d.serveAdmin(d.set.stateDir(req)); err != nil {
		d.log.WithError(err).Warn("the dmthin command can't reach this daemon")
	}
	return err
}

func (d *driver) current() *instance {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.instance
}

// callGrace bounds how long calls under way may hold up Init and Cleanup.
const callGrace = 5 * time.Second

// retire takes the instance away from new calls, waits for those under way and
// ends it.
func (d *driver) retire(ctx context.Context, end func(*instance, context.Context) error) error {
	d.mu.Lock()
	i := d.instance
	d.instance = nil
	d.mu.Unlock()
	if i == nil {
		return nil
	}
	done := make(chan struct{})
	go func() { i.calls.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(callGrace):
		d.log.Warn("calls are still under way; going on without them")
	}
	return end(i, ctx)
}

// resume opens the pool at process start, where an Init of this boot is on
// record: after a crash dockerd restarts a plugin and sends no Init.
func (d *driver) resume(ctx context.Context) {
	d.initMu.Lock()
	defer d.initMu.Unlock()
	defer d.settle()
	if d.current() != nil {
		return // dockerd was faster
	}
	req, ok, err := loadInit(d.set.initRecord)
	if err != nil {
		d.log.WithError(err).Warn("the last Init is not known; dockerd must send it again")
		return
	}
	if !ok {
		return
	}
	if err := d.open(ctx, req); err == nil {
		d.log.Info("took up the work of an earlier run")
	}
}

// Cleanup unmounts all. dockerd sends it when it stops; until its next Init
// there is nothing to serve.
func (d *driver) Cleanup(ctx context.Context) error {
	d.initMu.Lock()
	defer d.initMu.Unlock()
	err := d.retire(context.WithoutCancel(ctx), (*instance).shutdown)
	return errors.Join(err, removeInit(d.set.initRecord))
}

// stop ends the process's work. Mounts of running containers stay, and the
// Init on record lets the next process go on from there.
func (d *driver) stop() error {
	d.initMu.Lock()
	defer d.initMu.Unlock()
	err := d.retire(context.Background(), (*instance).detach)
	d.mu.Lock()
	a := d.admin
	d.mu.Unlock()
	return errors.Join(err, a.stop())
}

// Create ignores the mount label: a device gets its label when it is mounted.
func (d *driver) Create(ctx context.Context, req plugin.CreateRequest) error {
	i, leave, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	size, err := config.ParseLayerSize(req.StorageOpt)
	if err != nil {
		return err
	}
	return i.layers.Create(ctx, req.ID, req.Parent, size)
}

func (d *driver) Remove(ctx context.Context, id string) error {
	i, leave, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return i.layers.Remove(ctx, id)
}

func (d *driver) Get(ctx context.Context, id, label string) (string, error) {
	i, leave, err := d.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return i.layers.Get(ctx, id, label)
}

func (d *driver) Put(ctx context.Context, id string) error {
	i, leave, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return i.layers.Put(ctx, id)
}

func (d *driver) Exists(ctx context.Context, id string) (bool, error) {
	i, leave, err := d.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	return i.layers.Exists(id), nil
}

func (d *driver) Diff(ctx context.Context, id, parent string, w io.Writer) error {
	i, leave, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return i.layers.Diff(ctx, id, parent, w)
}

func (d *driver) Changes(ctx context.Context, id, parent string) ([]plugin.Change, error) {
	i, leave, err := d.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	found, err := i.layers.Changes(ctx, id, parent)
	changes := make([]plugin.Change, len(found))
	for n, c := range found {
		changes[n] = plugin.Change{Path: c.Path, Kind: plugin.Kind(c.Kind)}
	}
	return changes, err
}

func (d *driver) ApplyDiff(ctx context.Context, id, _ string, tar io.Reader) (int64, error) {
	i, leave, err := d.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	return i.layers.ApplyDiff(ctx, id, tar)
}

func (d *driver) DiffSize(ctx context.Context, id, parent string) (int64, error) {
	i, leave, err := d.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	return i.layers.DiffSize(ctx, id, parent)
}

// request is an Init to compare with.
type request plugin.InitRequest

func (r request) same(other plugin.InitRequest) bool {
	return r.Home == other.Home && slices.Equal(r.Options, other.Options) &&
		slices.Equal(r.UIDMaps, other.UIDMaps) && slices.Equal(r.GIDMaps, other.GIDMaps)
}

// lastFailure returns why the last Init failed, or nil.
func (d *driver) lastFailure() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failure
}

var _ admin.Source = source{}
