package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"github.com/moby/sys/user"
	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// Options are a store's settings for its whole life.
type Options struct {
	BaseSize          int64           // bytes; for a new base device, and to grow an old one
	BaseSizeGiven     bool            // false: an existing base device keeps its size
	Filesystem        filesystem.Type // for a new base device; empty means ext4
	MkfsArgs          []string
	MountOptions      []string
	MinFreePercent    int // of the pool's data and metadata, below which no layer is made
	Discard           bool
	DeferredRemoval   bool
	DeferredDeletion  bool
	XFSNoSpaceRetries *uint // nil: the kernel's default
	IDs               user.IdentityMapping
	MountRoot         string        // layers are mounted at MountRoot/<id>
	UdevSync          bool          // wait for udev's symlink of the base device
	KeepMounted       time.Duration // how long a layer stays mounted after its last use; 0: not at all
	ReclaimAfter      time.Duration // how long no layer was removed before blocks are given back
}

// Store holds the layers of one pool. All methods are safe for concurrent use
// unless they say otherwise.
type Store struct {
	sys      System
	opts     Options
	records  *state.Store
	names    names
	fs       filesystem.Type // of the base device, so of all layers
	ids      *state.DeviceIDs
	log      *logrus.Entry
	recovery Recovery // how Open ended; not changed after it

	locks   *keyLock
	changes *changeLog

	mu         sync.Mutex // protects the maps; innermost, never held while waiting
	layers     map[string]*layer
	mounted    map[*layer]struct{} // those that are, or active; the base device and removed ones too
	tombstones map[string]state.Record
	detached   map[string]io.Closer // by tombstone: what is left to be unmounted
	named      map[string]string    // layer IDs to the tombstone whose device may still have the layer's name
	damaged    map[string]error
	failing    map[string]error // by layer: what its last use met on the disk
	leaked     []thinpool.DeviceID
	base       *layer

	reclaimer *reclaimer
	idler     *idler // nil: layers are unmounted at once
}

// layer is one layer in memory. Its layer lock protects all fields.
type layer struct {
	id     string // "" for the base device
	record state.Record
	device string // device-mapper name

	mounted mountState // set by setMounted
	idle    bool       // mounted or active, though nobody uses it
	synced  bool       // mounted, and nobody could write since it was synced
	writes  uint64     // how often it was mounted for somebody who may write
	size    sized      // what DiffSize found last
	label   string     // SELinux label it is mounted with
	refs    int        // Gets less Puts
	pins    int        // streams that read or fill it, and holds
	holds   int        // of the pins, those an operator asked for
	removed bool
	lost    error // set: the pool has no such device
}

// wanted reports whether anybody counts on the layer's mount. A removed one is
// the reclaimer's.
func (l *layer) wanted() bool { return l.refs > 0 || l.pins > 0 || l.removed }

func (l *layer) unpin() {
	if l.pins > 0 {
		l.pins--
	}
}

// inUse reports whether somebody has the layer mounted.
func (l *layer) inUse() bool { return l.isMounted() && !l.idle }

func (l *layer) String() string {
	if l.id == "" {
		return "base device"
	}
	return "layer " + l.id
}

// name is the layer's record file.
func (l *layer) name() string { return recordName(l.id) }

func recordName(id string) string {
	if id == "" {
		return state.BaseName
	}
	return id
}

func (l *layer) thin(n names) thinpool.Thin {
	return thinpool.Thin{
		Name: l.device,
		UUID: n.uuid(l.record.DeviceID, l.name()),
		ID:   thinpool.DeviceID(l.record.DeviceID),
		Size: l.record.Size,
	}
}

// Open recovers what a crash left half done, makes or checks the base device,
// and adopts layers that are still mounted. The records stay the caller's to
// close, after Close.
func Open(ctx context.Context, sys System, records *state.Store, opts Options, log *logrus.Entry) (*Store, error) {
	identity, err := records.Identity()
	if err != nil {
		return nil, err
	}
	s := &Store{
		sys: sys, opts: opts, records: records, log: log,
		names:      names{prefix: Prefix(identity)},
		locks:      newKeyLock(),
		layers:     map[string]*layer{},
		mounted:    map[*layer]struct{}{},
		tombstones: map[string]state.Record{},
		detached:   map[string]io.Closer{},
		named:      map[string]string{},
		damaged:    map[string]error{},
		failing:    map[string]error{},
	}
	s.changes = &changeLog{pool: sys.Pool, records: records, turn: make(chan struct{}, 1)}
	if err := s.recover(ctx); err != nil {
		return nil, err
	}
	if err := s.openBase(ctx); err != nil {
		return nil, fmt.Errorf("base device: %w", err)
	}
	if err := s.Adopt(ctx); err != nil {
		return nil, err
	}
	if err := s.clearMarks(); err != nil {
		return nil, err
	}
	s.dropUnprepared(ctx)
	s.reclaimer, s.idler = startReclaimer(s), startIdler(s)
	return s, nil
}

// Close stops background work, saves what is only in memory and unmounts what
// is idle. Containers may go on using their layers, and the next Open adopts
// them. Calls that are still under way can do no more to any layer. Work on a
// layer that doesn't end before ctx does, as on a disk that hangs, is logged and
// left to the next Open.
func (s *Store) Close(ctx context.Context) error {
	defer s.locks.close()
	return s.close(ctx)
}

func (s *Store) close(ctx context.Context) error {
	if !s.reclaimer.halt(ctx) {
		s.log.Warn("the space of removed layers is still being given back; the next start goes on with it")
	}
	if !s.idler.halt(ctx) {
		s.log.Warn("a layer that nobody uses is still being unmounted; the next start looks after it")
	}
	return errors.Join(s.saveDeviceSet(), s.endRemoved(ctx), s.endAllIdle(ctx))
}

// Shutdown unmounts and deactivates all layers, whoever uses them, then closes
// the store. Records are saved first: dockerd may be gone before the rest ends.
func (s *Store) Shutdown(ctx context.Context) error {
	defer s.locks.close()
	errs := []error{s.close(ctx)}
	for _, l := range s.all() {
		errs = append(errs, s.shutdown(ctx, l))
	}
	return errors.Join(errs...)
}

func (s *Store) shutdown(ctx context.Context, l *layer) error {
	unlock, err := s.locks.lock(ctx, l.id)
	if err != nil {
		return err
	}
	defer unlock()
	if l.mounted == unmounted {
		return nil
	}
	l.refs, l.pins, l.holds = 0, 0, 0
	return s.release(ctx, l)
}

// InUse reports whether anybody has a layer mounted, or is at work on one and
// still is when ctx ends. It may be asked of a store that is closed.
func (s *Store) InUse(ctx context.Context) bool {
	for _, l := range s.all() {
		if err := s.locks.acquire(ctx, l.id); err != nil {
			s.log.WithField("layer", l.name()).Warn("work on a layer doesn't end; it counts as in use")
			return true
		}
		used := l.inUse()
		s.locks.release(l.id, true)
		if used {
			return true
		}
	}
	return false
}

func (s *Store) saveDeviceSet() error {
	set, _, err := s.records.DeviceSet()
	if err != nil {
		return err
	}
	set.NextDeviceID = s.ids.Next()
	return s.records.WriteDeviceSet(set)
}

// all returns the layers at this moment.
func (s *Store) all() []*layer {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*layer, 0, len(s.layers))
	for _, l := range s.layers {
		all = append(all, l)
	}
	return all
}

// find returns a layer that exists, in whatever stage. Its lock must be held
// for any use of the layer's fields.
func (s *Store) find(id string) (*layer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.layers[id]; ok {
		return l, nil
	}
	if err, ok := s.damaged[id]; ok {
		return nil, fmt.Errorf("layer %s: %w: %w", id, ErrDamaged, err)
	}
	return nil, fmt.Errorf("layer %s: %w", id, ErrUnknown)
}

// usable is find for work on the content: unfinished layers are refused.
func (s *Store) usable(id string) (*layer, error) {
	l, err := s.find(id)
	if err != nil {
		return nil, err
	}
	if l.lost != nil {
		return nil, l.lost
	}
	switch l.record.Stage {
	case state.StageReady:
		return l, nil
	case state.StageApplying:
		return nil, fmt.Errorf("layer %s: %w: an earlier unpacking did not end; remove the layer and pull or build it again", id, ErrUnfinished)
	default:
		return nil, fmt.Errorf("layer %s: %w: it is still being made", id, ErrUnfinished)
	}
}

// dir is where a layer is mounted; its content is in the record's root folder.
func (s *Store) mountPoint(l *layer) string { return filepath.Join(s.opts.MountRoot, l.name()) }

func (s *Store) content(l *layer) string {
	return filepath.Join(s.mountPoint(l), l.record.RootDir())
}
