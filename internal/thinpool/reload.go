package thinpool

import (
	"context"
	"errors"

	"github.com/dmthin/dmthin/internal/dm"
)

// reloadAttempts bounds how often a reload begins anew because someone else,
// such as LVM, has just changed the table. Nobody does that often.
const reloadAttempts = 5

// replaceTable has the pool run with what change makes of its live table. When
// change returns false the pool is left alone.
func (p *Pool) replaceTable(ctx context.Context, change func(length *uint64, t *poolTable) bool) error {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	for range reloadAttempts {
		if err := ctx.Err(); err != nil {
			return err
		}
		live, err := onlyTarget(p.id, poolTarget)
		if err != nil {
			return err
		}
		table, err := parsePoolTable(live.Params)
		if err != nil {
			return err
		}
		next := live
		if !change(&next.Length, &table) {
			return nil
		}
		next.Params = table.String()
		done, err := p.reloadFrom(live, next)
		if done || err != nil {
			return err
		}
	}
	return errors.New("someone else keeps changing the pool's table")
}

// reloadFrom replaces the table live by next. It is not done if live isn't the
// live table any more: taking up next would undo the other's change, and a
// table that is shorter than the kernel has recorded stops the pool.
func (p *Pool) reloadFrom(live, next dm.Target) (done bool, err error) {
	if err := dm.Reload(p.id, []dm.Target{next}); err != nil {
		return false, err
	}
	now, err := onlyTarget(p.id, poolTarget)
	if err == nil && now == live {
		return true, p.takeUp()
	}
	return false, also(err, dm.Clear(p.id))
}

// takeUp makes the loaded table the live one. Nothing is flushed: in a full
// pool that would wait for the very writes that wait for space.
func (p *Pool) takeUp() error {
	if err := dm.Suspend(p.id, dm.SuspendOptions{NoFlush: true, SkipLockfs: true}); err != nil {
		// A resume would take up the new table.
		err = also(err, dm.Clear(p.id))
		return also(err, dm.Resume(p.id))
	}
	return p.resume()
}

// resume gets a suspended pool to run. The kernel may refuse what was loaded,
// and leaves the pool suspended then, and with it every layer.
func (p *Pool) resume() error {
	cause := dm.Resume(p.id)
	if cause == nil {
		return nil
	}
	// A failed growth marks the metadata, and is not tried by the next resume.
	if dm.Resume(p.id) == nil {
		return cause
	}
	// The table is shorter than the pool, because it grew meanwhile: one that
	// covers the whole data device can't be.
	target, err := onlyTarget(p.id, poolTarget)
	if err != nil {
		return also(cause, err)
	}
	size, err := p.deviceSizes()
	if err != nil {
		return also(cause, err)
	}
	target.Length = max(target.Length, size.dataSectors)
	if err := dm.Reload(p.id, []dm.Target{target}); err != nil {
		return also(cause, err)
	}
	if err := dm.Resume(p.id); err != nil {
		return also(cause, err)
	}
	p.log.WithError(cause).Warnf("thin pool %s did not take up its table and runs with one of %d sectors", p.id.Name, target.Length)
	return nil
}

// finishReload brings a pool to run that a process left in the middle of a
// reload. The table that was not taken up is dropped: it may be old by now.
func (p *Pool) finishReload(info dm.Info) error {
	if info.InactiveTable {
		if err := dm.Clear(p.id); err != nil {
			return err
		}
	}
	if info.Suspended {
		return p.resume()
	}
	return nil
}
