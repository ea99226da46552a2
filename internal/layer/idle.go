package layer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// idler ends the mounts of layers that nobody uses any more. Docker gets and
// puts the same layer several times in a row, and a mount costs more than all
// else of a Get; so a layer stays mounted for a moment after its last Put, what
// was written to it synced. It is taken back for nothing by the next who wants
// it. A snapshot of it, its removal and the end of the store end it at once.
//
// Its device outlives the mount by as much: the kernel takes longer to remove
// it than to unmount it, some grace periods of RCU, and whoever wants the layer
// next needs the device again or doesn't care.
//
// While a layer is idle a file in the mount root says so: after a crash the
// next start would else take it for one that Docker has got.
type idler struct {
	store  *Store
	cancel context.CancelFunc
	done   chan struct{}
	added  chan struct{} // holds at most one token: the queue has another beginning

	mu    sync.Mutex // protects queue; innermost
	queue []idleLayer
}

// idleLayer is due for its unmount, or the end of its device, at a time.
type idleLayer struct {
	layer   *layer
	due     time.Time
	mounted bool
}

// maxIdle bounds how many layers stay mounted, or active. Each costs the kernel a
// superblock with its caches; Docker's bursts are of two or three a container.
const maxIdle = 64

func startIdler(s *Store) *idler {
	if s.opts.KeepMounted <= 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	i := &idler{store: s, cancel: cancel, done: make(chan struct{}), added: make(chan struct{}, 1)}
	go i.run(ctx)
	return i
}

// halt ends the work and reports whether it ended before ctx did; what is idle
// stays so.
func (i *idler) halt(ctx context.Context) bool {
	if i == nil {
		return true
	}
	i.cancel()
	return ended(ctx, i.done)
}

// add queues a layer unless too many are idle. Its lock is held.
func (i *idler) add(l *layer, keep time.Duration) bool {
	if i == nil {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.queue) >= maxIdle {
		return false
	}
	entry := idleLayer{l, time.Now().Add(keep), l.isMounted()}
	at, _ := slices.BinarySearchFunc(i.queue, entry, func(a, b idleLayer) int { return a.due.Compare(b.due) })
	i.queue = slices.Insert(i.queue, at, entry)
	signal(i.added)
	return true
}

// forget takes a layer out of the queue.
func (i *idler) forget(l *layer) {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.queue = slices.DeleteFunc(i.queue, func(q idleLayer) bool { return q.layer == l })
}

// mounted returns how many layers are mounted though nobody uses them.
func (i *idler) mounted() (n int) {
	if i == nil {
		return 0
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, q := range i.queue {
		if q.mounted {
			n++
		}
	}
	return n
}

// next returns the layer that is due first.
func (i *idler) next() (idleLayer, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.queue) == 0 {
		return idleLayer{}, false
	}
	return i.queue[0], true
}

// has reports whether a layer is due as it was when next returned it.
func (i *idler) has(due idleLayer) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Contains(i.queue, due)
}

func (i *idler) run(ctx context.Context) {
	defer close(i.done)
	for {
		first, ok := i.next()
		if !ok {
			select {
			case <-i.added:
			case <-ctx.Done():
				return
			}
			continue
		}
		select {
		case <-time.After(time.Until(first.due)):
			i.end(ctx, first)
		case <-i.added: // perhaps due before
		case <-ctx.Done():
			return
		}
	}
}

// end winds a layer down unless somebody was faster.
func (i *idler) end(ctx context.Context, due idleLayer) {
	unlock, err := i.store.locks.lock(ctx, due.layer.id)
	if err != nil {
		return
	}
	defer unlock()
	if !i.has(due) {
		return
	}
	i.forget(due.layer) // also where it fails: another try is up to the next user
	if err := i.store.windDown(ctx, due.layer); err != nil {
		i.store.log.WithError(err).WithField("layer", due.layer.name()).Warn("a layer that nobody uses stays mounted")
	}
}

// windDown ends the mount of a layer that nobody uses, or what is left of it. The
// layer lock is held.
func (s *Store) windDown(ctx context.Context, l *layer) error {
	if l.isMounted() {
		if err := s.unmount(ctx, l); err != nil {
			return err
		}
		if l.idle = s.idler.add(l, s.opts.KeepMounted); l.idle {
			return nil
		}
	}
	return s.release(ctx, l)
}

// keepIdle leaves a mounted layer mounted for a while, and reports whether it
// does. The layer lock is held.
func (s *Store) keepIdle(l *layer, keep time.Duration) bool {
	if !l.isMounted() || s.idler == nil {
		return false
	}
	err := s.rest(l, keep)
	if err != nil {
		s.log.WithError(err).WithField("layer", l.name()).Warn("a layer is not kept mounted after its use")
	}
	return err == nil && l.idle
}

// rest makes a layer idle. What an unmount would have written is written, so
// that a power cut after a Put loses nothing.
func (s *Store) rest(l *layer, keep time.Duration) error {
	if l.mounted == mountedWrite && !l.synced {
		err := s.sys.Mounter.Sync(s.mountPoint(l))
		s.noteDisk(l, err)
		if err != nil {
			return err
		}
		l.synced = true
	}
	if err := os.WriteFile(s.idleMark(l.name()), nil, 0o600); err != nil {
		return fmt.Errorf("mark as idle: %w", err)
	}
	if l.idle = s.idler.add(l, keep); !l.idle {
		return s.unmark(l.name())
	}
	return nil
}

// wakeUp makes an idle layer one in use. The layer lock is held.
func (s *Store) wakeUp(l *layer) error {
	if !l.idle {
		return nil
	}
	if err := s.unmark(l.name()); err != nil {
		return err
	}
	l.idle = false
	s.idler.forget(l)
	return nil
}

// endIdle leaves nothing of an idle layer mounted or active. The layer lock is held.
func (s *Store) endIdle(ctx context.Context, l *layer) error {
	if !l.idle {
		return nil
	}
	return s.release(ctx, l)
}

// endAllIdle unmounts what is idle, after the idler has stopped.
func (s *Store) endAllIdle(ctx context.Context) error {
	var errs []error
	for _, l := range s.mountedOr(nil) {
		unlock, err := s.locks.lock(ctx, l.id)
		if err != nil {
			s.log.WithError(err).WithField("layer", l.name()).Warn("work on a layer doesn't end; it is left to the next start as it is")
			continue
		}
		errs = append(errs, s.endIdle(ctx, l))
		unlock()
	}
	return errors.Join(errs...)
}

// idleMarks is a folder that no layer's ID can name.
const idleMarks = ".idle"

func (s *Store) idleMark(name string) string {
	return filepath.Join(s.opts.MountRoot, idleMarks, name)
}

func (s *Store) unmark(name string) error {
	err := os.Remove(s.idleMark(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take the mark of an idle layer away: %w", err)
	}
	return nil
}

// marked reports whether a layer was idle when an earlier process ended.
func (s *Store) marked(name string) bool {
	_, err := os.Lstat(s.idleMark(name))
	return err == nil
}

// clearMarks leaves an empty folder for marks.
func (s *Store) clearMarks() error {
	dir := filepath.Join(s.opts.MountRoot, idleMarks)
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("clear the marks of idle layers: %w", err)
	}
	if s.opts.KeepMounted <= 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for marks of idle layers: %w", err)
	}
	return nil
}
