package layer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// changeLog makes changes of the pool one at a time, by the write protocol:
//
//  1. write the intent {T+1, name, device ID}, durably
//  2. send the pool one message
//  3. write or remove the record, durably
//  4. set the pool's transaction ID from T to T+1, and see that it stuck
//  5. answer; the next intent replaces this one
//
// A crash before step 4 leaves the pool at T with an open intent T+1: recovery
// undoes a create and redoes a delete. Step 4 must look at the status because
// dm-thin ignores the result of the commit that ends a message, so that 0 from
// a message proves nothing.
type changeLog struct {
	pool    Pool
	records *state.Store

	turn chan struct{} // the change lock: full while a change is under way
	// The rest is protected by turn.
	current uint64 // the pool's transaction ID
	shut    error  // set once pool and records may differ: only recovery helps
	// unfinished ends the last change, where recovery found it cut short in a pool
	// that could not be changed, or the pool did not say whether it made it; nil
	// once it is over.
	unfinished func(context.Context) error
	failed     error // the last message, where the pool could not carry it out
}

// change is one change of the pool.
type change struct {
	intent state.Intent // OpenTransactionID is filled in
	// message changes the pool, record the records on disk; undo takes back
	// both. undo is nil for a delete, which can't be taken back.
	message func(ctx context.Context) error
	record  func(transactionID uint64) error
	undo    func(ctx context.Context) error
	// revoke takes back what message did, if it did anything: that is not known
	// where it failed and the pool gave no reason. nil for a delete, which is
	// repeated.
	revoke func(ctx context.Context, intent state.Intent) error
}

// changeTimeout bounds one change. It is device-mapper's own work and three
// small synced files; a disk slower than this is broken.
const changeTimeout = time.Minute

// do makes one change. Waiting for its turn can be cancelled; the change
// itself can't, since half a change is what the protocol exists to prevent.
func (c *changeLog) do(ctx context.Context, ch change) error {
	if err := c.take(ctx); err != nil {
		return err
	}
	whole := false
	defer func() {
		if !whole { // a panic that the protocol's server survives
			c.shut = errCutShort
		}
		<-c.turn
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	err := c.run(ctx, ch)
	whole = true
	return err
}

var errCutShort = errors.New("a fault in the daemon cut a change of the pool short")

// take waits for the change lock.
func (c *changeLog) take(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for other changes of the pool: %w", ctx.Err())
	}
	if c.shut != nil {
		defer func() { <-c.turn }()
		return c.refused()
	}
	return nil
}

func (c *changeLog) refused() error {
	return fmt.Errorf("%w until dmthind restarts: %w", ErrChangesShut, c.shut)
}

// refusal is why no changes can be made any more, or the last one was not, or
// nil. While one is under
// way it is nil: it waits for nothing.
func (c *changeLog) refusal() error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	default:
		return nil
	}
	if c.shut == nil {
		return c.failed
	}
	return c.refused()
}

// still runs f while no change is under way, also where none can be made any
// more. f must not wait for long.
func (c *changeLog) still(ctx context.Context, f func(ctx context.Context) error) error {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for changes of the pool: %w", ctx.Err())
	}
	defer func() { <-c.turn }()
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	return f(ctx)
}

// open reports whether changes can be made.
func (c *changeLog) open(ctx context.Context) error {
	if err := c.take(ctx); err != nil {
		return err
	}
	<-c.turn
	return nil
}

func (c *changeLog) run(ctx context.Context, ch change) error {
	if err := c.finish(ctx); err != nil {
		return err
	}
	next := c.current + 1
	ch.intent.OpenTransactionID = next
	if err := c.records.WriteIntent(ch.intent); err != nil {
		return fmt.Errorf("announce change %d: %w", next, err)
	}
	if err := ch.message(ctx); err != nil {
		return c.notMade(ctx, ch, err)
	}
	c.failed = nil
	if err := ch.record(next); err != nil {
		return c.takeBack(ctx, ch, err)
	}
	set := c.pool.SetTransactionID(ctx, c.current, next)
	err := c.verify(ctx, next)
	switch {
	case err == nil: // whatever set says
		c.current = next
		return nil
	case set != nil:
		return c.takeBack(ctx, ch, set)
	default:
		c.shut = err
		return err
	}
}

// finish ends what the last change left.
func (c *changeLog) finish(ctx context.Context) error {
	if c.unfinished == nil {
		return nil
	}
	if err := c.unfinished(ctx); err != nil {
		return err
	}
	c.unfinished = nil
	return nil
}

// notMade is for a message that failed. Its intent stays until what it may have
// done is taken back.
func (c *changeLog) notMade(ctx context.Context, ch change, err error) error {
	if told(err) {
		return err
	}
	// The kernel calls a pool writable that can't read its metadata.
	c.failed = fmt.Errorf("the pool could not make a change; look at the kernel's log, and at the disk below the pool's metadata: %w", err)
	if ch.revoke != nil {
		c.unfinished = func(ctx context.Context) error { return ch.revoke(ctx, ch.intent) }
		_ = c.finish(ctx) // or the next change does
	}
	return c.failed
}

// told reports whether an error of a message is the answer of a pool that works,
// or whose status says that it doesn't.
func told(err error) bool {
	return errors.Is(err, thinpool.ErrDeviceExists) || errors.Is(err, thinpool.ErrNoDevice) ||
		errors.Is(err, thinpool.ErrBusy) || errors.Is(err, thinpool.ErrReadOnly)
}

// verify proves that the pool is at transaction want and can still commit.
func (c *changeLog) verify(ctx context.Context, want uint64) error {
	status, err := c.pool.Status(ctx)
	if err != nil {
		return err
	}
	if err := commits(status); err != nil {
		return err
	}
	if status.TransactionID != want {
		return fmt.Errorf("%w: the pool is at transaction %d, the records at %d", ErrDiverged, status.TransactionID, want)
	}
	return nil
}

// commits returns nil for a pool that keeps changes. One that is out of space for
// data does, and removing layers is the way out.
func commits(status thinpool.Status) error {
	if err := status.Check(); !errors.Is(err, thinpool.ErrOutOfDataSpace) {
		return err
	}
	return nil
}

// takeBack restores the state before the change after cause stopped it. Where
// that fails too, only recovery at the next start can: no more changes.
func (c *changeLog) takeBack(ctx context.Context, ch change, cause error) error {
	if ch.undo == nil {
		c.shut = cause
		return cause
	}
	if err := ch.undo(ctx); err != nil {
		c.shut = fmt.Errorf("%w (and it could not be taken back: %w)", cause, err)
		return c.shut
	}
	return cause
}
