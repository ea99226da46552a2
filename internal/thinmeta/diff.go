package thinmeta

import (
	"context"
	"math"
)

// Unmapped stands for the data block of a virtual block that has none and
// reads as zeros.
const Unmapped uint64 = math.MaxUint64

// Change is a virtual block that two thin devices don't share.
type Change struct {
	Virtual  uint64
	Old, New uint64 // data blocks, one of them possibly Unmapped
}

// Diff calls visit for every block in which device newID doesn't share the
// data of device oldID, in ascending order, and stops at its first error. Data
// written after a snapshot goes to a new block, so what is shared is equal;
// what isn't may still be. Parts of the two trees that are the same block, as
// snapshots have them until they are written to, are not looked at: the time
// taken follows the number of changes, not the size of the devices.
//
// What visit was given counts only once Diff has returned nil: see ErrChanged.
func (r *Reader) Diff(ctx context.Context, oldID, newID uint32, visit func(Change) error) error {
	return r.finish(ctx, r.diff(ctx, oldID, newID, visit))
}

func (r *Reader) diff(ctx context.Context, oldID, newID uint32, visit func(Change) error) error {
	before, err := r.mappingTree(ctx, oldID)
	if err != nil {
		return err
	}
	after, err := r.mappingTree(ctx, newID)
	if err != nil {
		return err
	}
	d := merge{before.cursor(), after.cursor(), visit}
	for !d.before.done() || !d.after.done() {
		if err := d.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// merge passes through two trees at once.
type merge struct {
	before, after *cursor
	visit         func(Change) error
}

// beyond comes after every item of a tree.
var beyond = item{subtree: subtree{low: maxVirtual + 1}, value: []byte{}}

func (m merge) step(ctx context.Context) error {
	a, b := beyond, beyond
	if !m.before.done() {
		a = m.before.next()
	}
	if !m.after.done() {
		b = m.after.next()
	}
	if a.isSubtree() && b.isSubtree() && a.block == b.block {
		m.before.drop()
		m.after.drop()
		return nil
	}
	openA, openB := a.opensBefore(b), b.opensBefore(a)
	if openA {
		if err := m.before.expand(ctx); err != nil {
			return err
		}
	}
	if openB {
		if err := m.after.expand(ctx); err != nil {
			return err
		}
	}
	if openA || openB {
		return nil
	}
	return m.entries(a, b)
}

// opensBefore tells whether i must be expanded before the other side can go
// on. Of two subtrees that begin alike the higher one is: the other may turn
// out to be a part of it.
func (i item) opensBefore(other item) bool {
	if !i.isSubtree() || i.low > other.low {
		return false
	}
	return i.low < other.low || !other.isSubtree() || i.level >= other.level
}

// entries handles the lower one of two entries, or both when they are for the
// same block. The times don't matter: they differ where the data is the same.
func (m merge) entries(a, b item) error {
	change := Change{Virtual: min(a.low, b.low), Old: Unmapped, New: Unmapped}
	if a.low <= b.low {
		change.Old = number(a.value) >> timeBits
		m.before.drop()
	}
	if b.low <= a.low {
		change.New = number(b.value) >> timeBits
		m.after.drop()
	}
	if change.Old == change.New {
		return nil
	}
	return m.visit(change)
}
