package layer

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// reclaimer gives the blocks of removed layers back in the background. What is
// busy is tried again; what a stop interrupts is done after the next start.
type reclaimer struct {
	store  *Store
	kick   chan struct{} // holds at most one token: work was added
	urgent chan struct{} // likewise: somebody waits for it
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex        // protects what follows
	failed map[string]string // last error by tombstone, so that each is logged once
	passed chan struct{}     // closed when a pass ends; there is a new one then
}

// reclaimAtOnce bounds how many removed layers are worked on at a time. Most of
// such work is waiting: for the kernel's grace periods, and for the disk.
const reclaimAtOnce = 4

// The wait before busy or failed reclaims are tried again grows between these.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 30 * time.Second
)

func startReclaimer(s *Store) *reclaimer {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reclaimer{
		store: s, cancel: cancel,
		kick: make(chan struct{}, 1), urgent: make(chan struct{}, 1), done: make(chan struct{}),
		failed: map[string]string{}, passed: make(chan struct{}),
	}
	r.wake()
	go r.run(ctx)
	return r
}

// wake makes the reclaimer look for work now. It never waits. While a store is
// being opened there is no reclaimer yet; it looks for work when it starts.
func (r *reclaimer) wake() {
	if r != nil {
		signal(r.kick)
	}
}

// signal leaves a token unless one is there.
func signal(token chan<- struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

// halt ends the work and reports whether it ended before ctx did. Halting twice
// is fine.
func (r *reclaimer) halt(ctx context.Context) bool {
	r.cancel()
	return ended(ctx, r.done)
}

// ended waits for done.
func ended(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
	}
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *reclaimer) run(ctx context.Context) {
	defer close(r.done)
	var retry <-chan time.Time
	wait := firstRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.kick:
			wait = firstRetry
			r.calm(ctx)
		case <-r.urgent:
		case <-retry:
			wait = min(2*wait, lastRetry)
		}
		retry = nil
		if !r.pass(ctx) {
			retry = time.After(wait)
		}
	}
}

// calmPatience is how many times the calm a stream of removals may put off the work.
const calmPatience = 4

// calm waits until no layer has been removed for a moment. Docker removes layers
// in bursts, and what an unmount and a discard write to the disk the next removal
// would wait for, which syncs its record.
func (r *reclaimer) calm(ctx context.Context) {
	calm := r.store.opts.ReclaimAfter
	enough := time.After(calmPatience * calm)
	for {
		select {
		case <-r.kick:
			continue
		case <-time.After(calm):
		case <-enough:
		case <-r.urgent:
		case <-ctx.Done():
		}
		return
	}
}

// hurry tries each layer that is removed by now once more, without delay, and
// returns when it has, or when ctx ends. It is for a store that is open.
func (r *reclaimer) hurry(ctx context.Context) {
	for range 2 { // the first may have begun before a layer was removed
		if len(r.store.pending()) == 0 {
			return
		}
		r.mu.Lock()
		passed := r.passed
		r.mu.Unlock()
		signal(r.urgent)
		select {
		case <-passed:
		case <-r.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// pass tries each tombstone once and reports whether none is left.
func (r *reclaimer) pass(ctx context.Context) (clean bool) {
	var (
		all   sync.WaitGroup
		left  atomic.Bool
		slots = make(chan struct{}, reclaimAtOnce)
	)
	for name, record := range r.store.pending() {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if !r.try(ctx, name, record) {
				left.Store(true)
			}
		})
	}
	all.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.passed)
	r.passed = make(chan struct{})
	return !left.Load()
}

func (r *reclaimer) try(ctx context.Context, name string, record state.Record) (done bool) {
	if ctx.Err() != nil {
		return false
	}
	if err := r.store.reclaim(ctx, name, record); err != nil {
		r.report(name, err)
		return false
	}
	return true
}

// report logs a failure unless it is the one logged last. Busy is no failure:
// somebody still has the removed layer open.
func (r *reclaimer) report(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(err, context.Canceled) || r.failed[name] == err.Error() {
		return
	}
	r.failed[name] = err.Error()
	entry := r.store.log.WithError(err).WithField("record", name)
	if errors.Is(err, thinpool.ErrBusy) {
		entry.Info("a removed layer is still in use; its space follows when it no longer is")
		return
	}
	entry.Warn("space of a removed layer is not back yet; will try again")
}

// pending returns the removed layers whose blocks are still held.
func (s *Store) pending() map[string]state.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.tombstones)
}

func (s *Store) isPending(tombstone string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, held := s.tombstones[tombstone]
	return held
}
