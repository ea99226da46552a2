package thinmeta

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
)

// maxHeight is above that of a tree of 2^57 keys whose nodes are as empty as
// the kernel lets them get: it merges nodes below a third of 252 entries.
const maxHeight = 11

// subtree is a node not yet read, with what its place in the tree promises.
//
// Reading checks the promises, and that bounds every walk: the keys of the
// nodes of one level lie in ranges that don't overlap and none is empty, so no
// block can be met twice in a level, and its own flag says in which level.
type subtree struct {
	block     uint64
	low, high uint64 // its keys, both ends included
	level     int    // 0: a leaf
	root      bool   // the only node that may be empty
}

// tree is one B-tree of the metadata.
type tree struct {
	reader    *Reader
	root      subtree
	valueSize int
}

// openTree opens the tree with keys up to maxKey whose root is in block root.
// It finds the height by going down on the left side: dm's B-trees are
// balanced, so that is the level of every other leaf too.
func (r *Reader) openTree(ctx context.Context, root, maxKey uint64, valueSize int) (tree, error) {
	t := tree{r, subtree{block: root, high: maxKey, root: true}, valueSize}
	for block := root; ; t.root.level++ {
		if t.root.level == maxHeight {
			return tree{}, fmt.Errorf("b-tree in block %d: %w: higher than %d nodes", root, ErrCorrupt, maxHeight)
		}
		n, err := t.parse(ctx, block)
		if err != nil {
			return tree{}, err
		}
		if n.leaf {
			return t, nil
		}
		if len(n.keys) == 0 {
			return tree{}, fmt.Errorf("b-tree node in block %d: %w: no entries", block, ErrCorrupt)
		}
		block = number(n.values[0])
	}
}

func (t tree) parse(ctx context.Context, at uint64) (*node, error) {
	block, err := t.reader.read(ctx, at)
	if err != nil {
		return nil, err
	}
	return parseNode(block, at, t.valueSize)
}

// node reads the top node of s.
func (t tree) node(ctx context.Context, s subtree) (*node, error) {
	n, err := t.parse(ctx, s.block)
	if err != nil {
		return nil, err
	}
	if err := s.fits(n); err != nil {
		return nil, fmt.Errorf("b-tree node in block %d: %w", s.block, err)
	}
	return n, nil
}

func (s subtree) fits(n *node) error {
	if n.leaf != (s.level == 0) {
		return fmt.Errorf("%w: leaves at different depths", ErrCorrupt)
	}
	if len(n.keys) == 0 {
		if s.root && n.leaf {
			return nil
		}
		return fmt.Errorf("%w: no entries", ErrCorrupt)
	}
	if first, last := n.keys[0], n.keys[len(n.keys)-1]; first < s.low || last > s.high {
		return fmt.Errorf("%w: keys %d to %d under a parent for %d to %d", ErrCorrupt, first, last, s.low, s.high)
	}
	return nil
}

// child returns the i-th subtree of the internal node n on top of s.
func (s subtree) child(n *node, i int) subtree {
	c := subtree{block: number(n.values[i]), low: n.keys[i], high: s.high, level: s.level - 1}
	if i+1 < len(n.keys) {
		c.high = n.keys[i+1] - 1
	}
	return c
}

// lookup returns the value of key, nil when the tree hasn't got it.
func (t tree) lookup(ctx context.Context, key uint64) ([]byte, error) {
	for s := t.root; ; {
		n, err := t.node(ctx, s)
		if err != nil {
			return nil, err
		}
		i, found := slices.BinarySearch(n.keys, key)
		switch {
		case n.leaf && found:
			return n.values[i], nil
		case n.leaf, i == 0 && !found:
			return nil, nil
		case !found:
			i-- // the child that begins below key
		}
		s = s.child(n, i)
	}
}

// walk calls visit for every entry, in the order of the keys.
func (t tree) walk(ctx context.Context, visit func(key uint64, value []byte) error) error {
	c := t.cursor()
	for !c.done() {
		next := c.next()
		if next.isSubtree() {
			if err := c.expand(ctx); err != nil {
				return err
			}
			continue
		}
		if err := visit(next.low, next.value); err != nil {
			return err
		}
		c.drop()
	}
	return nil
}

func number(value []byte) uint64 { return binary.LittleEndian.Uint64(value) }
