package layer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// Info describes one layer.
type Info struct {
	ID, Parent  string
	DeviceID    uint32
	DeviceName  string // device-mapper name while active
	Size        int64  // bytes the layer may hold
	Stage       state.Stage
	Mounted     bool
	MountPoint  string // where it is, or would be, mounted
	References  int
	MappedBytes int64 // what it occupies in the pool, shared blocks included; -1 while inactive
	Busy        bool  // other work holds the layer; what it changes is not filled in
	Problem     error // set: the layer can't be used
}

// Exists reports whether a layer exists, in whatever stage.
func (s *Store) Exists(id string) bool {
	_, err := s.find(id)
	return err == nil
}

// Info returns one layer, ErrUnknown if there is none.
func (s *Store) Info(ctx context.Context, id string) (Info, error) {
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return Info{}, err
	}
	defer unlock()
	l, err := s.find(id)
	if err != nil {
		return Info{}, err
	}
	return s.describe(ctx, l), nil
}

func (s *Store) describe(ctx context.Context, l *layer) Info {
	info := Info{
		ID: l.id, Parent: l.record.Parent,
		DeviceID: l.record.DeviceID, DeviceName: l.device,
		Size: capacity(l.record), Stage: l.record.Stage,
		Mounted: l.inUse(), MountPoint: s.mountPoint(l), References: l.refs,
		MappedBytes: -1, Problem: l.lost,
	}
	if l.mounted != unmounted {
		if sectors, err := s.sys.Inventory.Mapped(ctx, l.device); err == nil {
			info.MappedBytes = int64(sectors) << 9
		}
	}
	return info
}

// listWait bounds how long List waits for one layer's other work.
const listWait = 50 * time.Millisecond

// List returns all layers by ID. Layers at work are marked busy.
func (s *Store) List(ctx context.Context) ([]Info, error) {
	var infos []Info
	for _, l := range s.all() {
		info, ok := s.tryDescribe(ctx, l)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if ok {
			infos = append(infos, info)
		}
	}
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.ID, b.ID) })
	return infos, nil
}

func (s *Store) tryDescribe(ctx context.Context, l *layer) (info Info, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, listWait)
	defer cancel()
	unlock, err := s.locks.lock(ctx, l.id)
	if err != nil {
		return Info{ID: l.id, DeviceName: l.device, MountPoint: s.mountPoint(l), MappedBytes: -1, Busy: true}, true
	}
	defer unlock()
	if l.removed {
		return Info{}, false
	}
	return s.describe(ctx, l), true
}

// Busy reports whether somebody is at work on a layer, or has it mounted.
func (s *Store) Busy(ctx context.Context, id string) bool {
	ctx, cancel := context.WithTimeout(ctx, listWait)
	defer cancel()
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return true
	}
	defer unlock()
	l, err := s.find(id)
	return err == nil && s.idle(l) != nil
}

// Summary is the store as a whole. It takes no lock that work may hold.
type Summary struct {
	Pool             thinpool.Status
	Filesystem       filesystem.Type
	BaseSize         int64 // bytes; 0 where the base device is damaged
	MinFreeBytes     int64 // of data
	Layers           int
	Mounted          int // by somebody
	Active           int // thin devices, mounted or not
	WaitingDeletions int
	Leaked           []thinpool.DeviceID // in the pool, in no record
	Problems         []string            // one line each
}

// patience is how long a question about the pool waits for its answer. Who asks
// wants to know that a disk hangs, not to hang with it.
const patience = 5 * time.Second

// Summary describes the store. A pool that does not answer is one of the
// problems, and its status empty.
func (s *Store) Summary(ctx context.Context) (Summary, error) {
	status, err := s.poolStatus(ctx)
	if err != nil && !errors.Is(err, thinpool.ErrSilent) {
		return Summary{}, err
	}
	sum := Summary{Pool: status, Filesystem: s.fs}
	sum.MinFreeBytes = int64(status.DataTotal) * status.BlockSize * int64(s.opts.MinFreePercent) / 100
	if err == nil {
		err = status.Check()
	}
	for _, err := range []error{err, s.recordsWritable(ctx), s.changes.refusal()} {
		if err != nil {
			sum.Problems = append(sum.Problems, err.Error())
		}
	}
	if err := s.count(ctx, &sum); err != nil {
		return Summary{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.base != nil {
		sum.BaseSize = s.base.record.Size
	}
	sum.Layers, sum.WaitingDeletions = len(s.layers), len(s.tombstones)
	for _, err := range s.damaged {
		sum.Problems = append(sum.Problems, err.Error())
	}
	for _, err := range s.failing {
		sum.Problems = append(sum.Problems, err.Error())
	}
	for _, l := range s.layers {
		if l.lost != nil {
			sum.Problems = append(sum.Problems, l.lost.Error())
		}
	}
	sum.Leaked = s.leaked
	if len(s.leaked) > 0 {
		sum.Problems = append(sum.Problems, fmt.Sprintf("the pool holds %d devices that no readable record knows", len(s.leaked)))
	}
	for i, problem := range sum.Problems {
		sum.Problems[i] = strings.ReplaceAll(problem, "\n", "; ") // of joined errors
	}
	slices.Sort(sum.Problems)
	return sum, nil
}

func (s *Store) poolStatus(ctx context.Context) (thinpool.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.sys.Pool.Status(ctx)
}

func (s *Store) recordsWritable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.records.Writable(ctx)
}

// Ready returns nil where layers can be made now, or why they can't.
func (s *Store) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	status, err := s.sys.Pool.Status(ctx)
	if err != nil {
		return err
	}
	if err := status.Check(); err != nil { // first: a restart alone helps none of these
		return err
	}
	if err := s.records.Writable(ctx); err != nil {
		return err
	}
	if err := s.changes.open(ctx); err != nil {
		return err
	}
	for _, err := range []error{s.changes.refusal(), s.diskFailure()} {
		if err != nil {
			return err
		}
	}
	return s.enoughIn(status)
}

// Filesystem is what all layers are formatted with.
func (s *Store) Filesystem() filesystem.Type { return s.fs }

// count asks the kernel, since the layers' own fields are behind their locks.
func (s *Store) count(ctx context.Context, sum *Summary) error {
	mounts, err := s.sys.Mounter.Mounts(ctx, s.opts.MountRoot)
	if err != nil {
		return err
	}
	active, err := s.sys.Inventory.Active(ctx)
	if err != nil {
		return err
	}
	dirs := map[string]bool{} // a mount made writable is two on one directory
	for _, m := range mounts {
		dirs[m.Dir] = true
	}
	sum.Mounted, sum.Active = max(0, len(dirs)-s.idler.mounted()), len(active)
	return nil
}

// MountRoot is where layers are mounted below Docker's Home directory.
func MountRoot(home string) string { return filepath.Join(home, "mnt") }
