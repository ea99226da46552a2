package thinmeta

import "context"

// Use is what a thin device takes of the pool, in data blocks.
type Use struct {
	Mapped    uint64 // shared ones included
	Exclusive uint64 // that no other device refers to: free once this one is deleted
}

// Uses returns the use of every thin device by its ID. It reads each node of
// the mapping trees at most three times, however many devices share it, and
// keeps two bits a block.
func (r *Reader) Uses(ctx context.Context) (map[uint32]Use, error) {
	devices, err := r.Devices(ctx)
	if err != nil {
		return nil, err
	}
	s := sharing{nodes: bitset{}, sharedNodes: bitset{}, data: bitset{}, sharedData: bitset{}}
	uses := make(map[uint32]Use, len(devices))
	for _, d := range devices {
		if err = s.meet(ctx, r, d.ID); err != nil {
			break
		}
	}
	for _, d := range devices {
		if err != nil {
			break
		}
		use := Use{Mapped: d.MappedBlocks}
		use.Exclusive, err = s.exclusive(ctx, r, d.ID)
		uses[d.ID] = use
	}
	if err = r.finish(ctx, err); err != nil {
		return nil, err
	}
	return uses, nil
}

// sharing is what more than one mapping tree refers to. The reference counts of
// the pool's space maps don't tell: a data block under a shared node counts once.
type sharing struct {
	nodes, sharedNodes bitset
	data, sharedData   bitset
}

// meet passes through a device's tree. A node that another tree led to before
// makes all below it shared; what is known to be shared is not looked at again.
func (s sharing) meet(ctx context.Context, r *Reader, id uint32) error {
	t, err := r.mappingTree(ctx, id)
	if err != nil {
		return err
	}
	for c := t.cursor(); !c.done(); {
		next := c.next()
		if !next.isSubtree() {
			c.drop()
			if data := number(next.value) >> timeBits; s.data.add(data) {
				s.sharedData.add(data)
			}
			continue
		}
		if s.nodes.add(next.block) && s.sharedNodes.add(next.block) {
			c.drop()
			continue
		}
		// Below a node met for the second time every node and block is met for
		// the second time too.
		if err := c.expand(ctx); err != nil {
			return err
		}
	}
	return nil
}

// exclusive counts, once every device was met.
func (s sharing) exclusive(ctx context.Context, r *Reader, id uint32) (blocks uint64, err error) {
	t, err := r.mappingTree(ctx, id)
	if err != nil {
		return 0, err
	}
	for c := t.cursor(); !c.done(); {
		switch next := c.next(); {
		case !next.isSubtree():
			c.drop()
			if !s.sharedData.has(number(next.value) >> timeBits) {
				blocks++
			}
		case s.sharedNodes.has(next.block):
			c.drop()
		default:
			if err := c.expand(ctx); err != nil {
				return 0, err
			}
		}
	}
	return blocks, nil
}
