package thinmeta

import "context"

// Sums tells which devices have the same mappings, also in the metadata of another
// Reader: their sums are equal then, however the nodes are laid out. It reads each
// node once, however many devices share it.
type Sums struct {
	reader *Reader
	known  map[uint64]uint64 // of nodes, by their blocks
}

// Sums returns sums of none yet.
func (r *Reader) Sums() *Sums { return &Sums{reader: r, known: map[uint64]uint64{}} }

// Device returns the sum of a device's mappings, whenever they were made.
func (s *Sums) Device(ctx context.Context, id uint32) (uint64, error) {
	t, err := s.reader.mappingTree(ctx, id)
	if err != nil {
		return 0, s.reader.finish(ctx, err)
	}
	sum, err := s.below(ctx, t, t.root)
	return sum, s.reader.finish(ctx, err)
}

// below adds up, so that it doesn't matter how many mappings share a node.
func (s *Sums) below(ctx context.Context, t tree, top subtree) (sum uint64, err error) {
	if sum, ok := s.known[top.block]; ok {
		return sum, nil
	}
	n, err := t.node(ctx, top)
	if err != nil {
		return 0, err
	}
	for i, key := range n.keys {
		part := scramble(scramble(key) + number(n.values[i])>>timeBits)
		if !n.leaf {
			if part, err = s.below(ctx, t, top.child(n, i)); err != nil {
				return 0, err
			}
		}
		sum += part
	}
	s.known[top.block] = sum
	return sum, nil
}

// scramble is the last step of SplitMix64: what differs in one bit differs in many.
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
