package layer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// keyLock is a set of locks by name. Waiting can be cancelled.
type keyLock struct {
	mu     sync.Mutex // protects the rest
	held   map[string]*namedLock
	closed bool
}

// errClosed is for calls that outlive their store: the layers are the next one's.
var errClosed = errors.New("the pool was closed or opened anew meanwhile; run the command again")

type namedLock struct {
	token chan struct{} // full while somebody holds the lock
	users int           // holder and waiters; the last one removes the lock
}

func newKeyLock() *keyLock { return &keyLock{held: map[string]*namedLock{}} }

// lock takes the locks of all names, in sorted order so that two callers never
// wait for each other, and returns what releases them. A name may repeat.
func (k *keyLock) lock(ctx context.Context, names ...string) (unlock func(), err error) {
	slices.Sort(names) // in the caller's list, which is this call's own
	names = slices.Compact(names)
	taken := 0
	unlock = func() {
		for _, name := range slices.Backward(names[:taken]) {
			k.release(name, true)
		}
	}
	for _, name := range names {
		if err := k.acquire(ctx, name); err != nil {
			unlock()
			return nil, fmt.Errorf("wait for other work on layer %s: %w", name, err)
		}
		taken++
	}
	if k.isClosed() {
		unlock()
		return nil, errClosed
	}
	return unlock, nil
}

func (k *keyLock) acquire(ctx context.Context, name string) error {
	k.mu.Lock()
	l, ok := k.held[name]
	if !ok {
		l = &namedLock{token: make(chan struct{}, 1)}
		k.held[name] = l
	}
	l.users++
	k.mu.Unlock()

	select { // also where ctx is over: nobody has to be waited for
	case l.token <- struct{}{}:
		return nil
	default:
	}
	select {
	case l.token <- struct{}{}:
		return nil
	case <-ctx.Done():
		k.release(name, false)
		return ctx.Err()
	}
}

// close lets nobody take a lock any more. Who has one keeps it.
func (k *keyLock) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
}

func (k *keyLock) isClosed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.closed
}

func (k *keyLock) release(name string, holder bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.held[name]
	if holder {
		<-l.token
	}
	l.users--
	if l.users == 0 {
		delete(k.held, name)
	}
}
