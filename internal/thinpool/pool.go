package thinpool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/dm"
)

// Pool is an active thin pool. Its methods may be called from many goroutines
// at once; calls for one device ID or name are the caller's to order.
type Pool struct {
	id        dm.ID  // without a UUID where the pool has none
	prefix    string // begins the UUIDs of our thin devices
	number    devNumber
	blockSize int64 // bytes; nothing else of a pool is fixed
	adopted   bool  // someone else made the pool, and reloads it too
	log       *logrus.Entry

	udev  dm.UdevWait
	event atomic.Pointer[dm.Event] // the pool's creation, until udevd was waited for

	// reloading is held for a new table of the pool, and shared by whoever makes
	// a device of it, which can't be done while the pool is suspended.
	reloading sync.RWMutex

	asking chan struct{} // full while the kernel is asked for the status
}

func newPool(id dm.ID, prefix string, number devNumber, log *logrus.Entry) *Pool {
	return &Pool{id: id, prefix: prefix, number: number, log: log, udev: dm.UdevWait{Wait: true}, asking: make(chan struct{}, 1)}
}

// Name returns the pool's device-mapper name.
func (p *Pool) Name() string { return p.id.Name }

// owns reports whether a UUID is that of a thin device of ours in this pool.
func (p *Pool) owns(uuid string) bool {
	return strings.HasPrefix(uuid, p.prefix) && uuid != p.id.UUID
}

// Open creates the pool device, or takes over the active one of that name. Settle
// has to follow.
//
// An active device is taken over only if it has the pool's UUID (else
// ErrForeign) and lies on these devices with this block size. What a process
// that ended midway left of a reload is undone, and devices that have become
// larger are taken up. The other settings stay as they are until the pool is
// next created.
func Open(ctx context.Context, spec Spec, log *logrus.Entry) (*Pool, error) {
	if err := spec.validate(); err != nil {
		return nil, fmt.Errorf("thin pool %s: %w", spec.Name, err)
	}
	pool, err := openPool(ctx, spec, log)
	if err != nil {
		return nil, fmt.Errorf("thin pool %s: %w", spec.Name, explain(err))
	}
	return pool, nil
}

func openPool(ctx context.Context, spec Spec, log *logrus.Entry) (*Pool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	backing, err := findBacking(spec)
	if err != nil {
		return nil, err
	}
	info, err := dm.Lookup(dm.ID{Name: spec.Name})
	if err != nil {
		return nil, err
	}
	if info.Exists && info.UUID == spec.UUID && !info.LiveTable {
		// Left by a process that ended between making and loading it.
		if err := dm.Remove(ctx, spec.id(), dm.RemoveOptions{}); err != nil {
			return nil, err
		}
		info.Exists = false
	}
	pool := newPool(spec.id(), spec.prefix(), devNumber{info.Major, info.Minor}, log)
	pool.blockSize, pool.udev.Notes = spec.BlockSize, spec.UdevNotes
	if !info.Exists {
		return pool, pool.bringUp(ctx, spec, backing)
	}
	return pool, pool.takeOver(ctx, spec, backing, info)
}

// bringUp makes the pool device.
func (p *Pool) bringUp(ctx context.Context, spec Spec, b backing) error {
	recorded, err := recordedBlockSize(spec.MetadataDevice)
	if err != nil {
		return err
	}
	if recorded != 0 && recorded != spec.BlockSize {
		return blockSizeError(recorded, spec.BlockSize)
	}
	if recorded != 0 && spec.Check != nil {
		if err := spec.Check(ctx); err != nil {
			return err
		}
	}
	table := spec.table(b.metadata, b.data, b.dataSize)
	info, event, err := dm.CreateAhead(spec.id(), table, dm.CreateOptions{Udev: p.udev})
	if err != nil {
		return err
	}
	p.number = devNumber{info.Major, info.Minor}
	p.event.Store(&event)
	return nil
}

// Settle waits until udevd is through with the pool that Open created: its symlink
// in /dev/mapper exists then. udevd may have a queue to get through first, and
// nothing here needs it, so that it is best called once all else is done.
func (p *Pool) Settle(ctx context.Context) {
	event := p.event.Swap(nil)
	if event == nil {
		return
	}
	if err := event.Wait(ctx); err != nil {
		p.log.WithError(err).Warnf("thin pool %s is active, but /dev/mapper/%s may be missing", p.id.Name, p.id.Name)
	}
}

// takeOver makes sure that the active device is the pool that spec describes,
// and brings it to run.
func (p *Pool) takeOver(ctx context.Context, spec Spec, b backing, info dm.Info) error {
	if info.UUID != spec.UUID {
		return fmt.Errorf("%w: a device of that name is active with UUID %q, not %q", ErrForeign, info.UUID, spec.UUID)
	}
	active, err := p.liveTable()
	if err != nil {
		return err
	}
	if active.metadata != b.metadata || active.data != b.data {
		return fmt.Errorf("the active pool lies on metadata device %s and data device %s, not on %s (%s) and %s (%s)",
			active.metadata, active.data, b.metadata, spec.MetadataDevice, b.data, spec.DataDevice)
	}
	if size := int64(active.blockSectors) * sectorSize; size != spec.BlockSize {
		return blockSizeError(size, spec.BlockSize)
	}
	if want := spec.table(b.metadata, b.data, b.dataSize)[0].Params; want != active.String() {
		p.log.Warnf("thin pool %s is active with the table %q; %q applies when it is next created", spec.Name, active, want)
	}
	if info.DeferredRemove {
		if err := dm.CancelDeferredRemove(p.id); err != nil {
			return err
		}
	}
	if err := p.finishReload(info); err != nil {
		return err
	}
	if _, err := p.Grow(ctx); err != nil {
		p.log.WithError(err).Warnf("thin pool %s stays at its size", spec.Name)
	}
	return nil
}

func blockSizeError(recorded, asked int64) error {
	return fmt.Errorf("the pool has a block size of %d bytes, which can't be changed to %d: leave the option out or give the pool's own size", recorded, asked)
}

// onlyTarget returns the device's live target, which must be of this type.
func onlyTarget(dev dm.ID, kind string) (dm.Target, error) {
	table, err := dm.Table(dev)
	if err != nil {
		return dm.Target{}, err
	}
	if len(table) != 1 || table[0].Type != kind {
		return dm.Target{}, fmt.Errorf("%w: device %s is no %s device", ErrForeign, dev, kind)
	}
	return table[0], nil
}

// liveTable reads the parameters that the pool runs with.
func (p *Pool) liveTable() (poolTable, error) {
	target, err := onlyTarget(p.id, poolTarget)
	if err != nil {
		return poolTable{}, err
	}
	return parsePoolTable(target.Params)
}

// Close removes the pool device and waits for udevd; data and metadata stay.
// ErrBusy: thin devices are still active. A pool that is gone is no error, and
// an adopted one is left as it is.
func (p *Pool) Close(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.adopted {
		return nil
	}
	p.Settle(ctx)
	err := explain(dm.Remove(ctx, p.id, dm.RemoveOptions{Udev: p.udev}))
	switch {
	case err == nil, errors.Is(err, ErrNotActive):
		return nil
	case errors.Is(err, dm.ErrUdevTimeout):
		p.log.WithError(err).Warnf("thin pool %s is removed, but /dev/mapper/%s may be left", p.id.Name, p.id.Name)
		return nil
	}
	return fmt.Errorf("remove thin pool %s: %w", p.id.Name, err)
}

// Status reads the pool's status without making it commit its metadata.
func (p *Pool) Status(ctx context.Context) (Status, error) {
	return p.status(ctx, true)
}

func (p *Pool) status(ctx context.Context, noFlush bool) (Status, error) {
	targets, err := p.ask(ctx, noFlush)
	if err == nil && (len(targets) != 1 || targets[0].Type != poolTarget) {
		err = ErrForeign
	}
	if err != nil {
		return Status{}, fmt.Errorf("status of thin pool %s: %w", p.id.Name, explain(err))
	}
	status, err := parsePoolStatus(targets[0].Params)
	if err != nil {
		return Status{}, fmt.Errorf("status of thin pool %s: %w", p.id.Name, err)
	}
	status.BlockSize = p.blockSize
	return status, nil
}

// patience is how long a status is waited for where the context sets no limit.
const patience = time.Minute

// ask asks the kernel for the status, and gives up with ErrSilent when the
// context does. The kernel answers only once a commit under way is over, which
// a device that hangs may put off for ever; nothing interrupts the call, so one
// is left waiting, and the next is not made before it returns.
func (p *Pool) ask(ctx context.Context, noFlush bool) ([]dm.Target, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case p.asking <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrSilent, ctx.Err())
	}
	type answer struct {
		targets []dm.Target
		err     error
	}
	answers := make(chan answer, 1)
	go func() {
		defer func() { <-p.asking }()
		targets, err := dm.Status(p.id, noFlush)
		answers <- answer{targets, err}
	}()
	select {
	case a := <-answers:
		return a.targets, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrSilent, ctx.Err())
	}
}
