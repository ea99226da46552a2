package thinmeta

import (
	"encoding/binary"
	"slices"
	"testing"
)

func FuzzSuperblock(f *testing.F) {
	f.Add(goldenPool(f).blocks[0])
	f.Add(make([]byte, blockSize))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, block []byte) {
		block = slices.Clone(block)
		if len(block) == blockSize { // else nothing gets past the checksum
			binary.LittleEndian.PutUint32(block, checksum(block, superblockSalt))
		}
		s, err := parseSuperblock(block, 0)
		if err == nil && s.BlockSize < 0 {
			t.Errorf("accepted block size %d", s.BlockSize)
		}
	})
}

func FuzzNode(f *testing.F) {
	for _, block := range goldenPool(f).blocks[1:40] {
		f.Add(block, true)
		f.Add(block, false)
	}
	f.Fuzz(func(t *testing.T, block []byte, details bool) {
		size := numberSize
		if details {
			size = detailsSize
		}
		block = slices.Clone(block)
		var at uint64
		if len(block) == blockSize {
			at = binary.LittleEndian.Uint64(block[blockNumberAt:])
			binary.LittleEndian.PutUint32(block, checksum(block, nodeSalt))
		}
		n, err := parseNode(block, at, size)
		if err != nil {
			return
		}
		if len(n.keys) != len(n.values) || len(n.keys) > blockSize/16 || !slices.IsSorted(n.keys) {
			t.Errorf("accepted a node with keys %v and %d values", n.keys, len(n.values))
		}
	})
}

// FuzzWalk changes bytes of a small pool and makes the checksums right again:
// a walk must end, having read each block at most once per level and tree.
func FuzzWalk(f *testing.F) {
	blocks := pool{1: {0: 10, 1: 11, 5: 15, 30: 1}, 2: {0: 10, 1: 12, 5: 15}}.metadata(2)
	f.Add([]byte{})
	f.Add([]byte{1, 0, 32, 1, 2, 32, 16, 9})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, edits []byte) {
		m := &image{}
		for _, block := range blocks.blocks {
			m.blocks = append(m.blocks, slices.Clone(block))
		}
		for ; len(edits) >= 4; edits = edits[4:] {
			at := int(edits[0]) % len(m.blocks)
			m.blocks[at][int(binary.LittleEndian.Uint16(edits[1:]))%blockSize] = edits[3]
		}
		for at := range m.blocks {
			m.seal(uint64(at), nodeSalt)
		}
		m.seal(0, superblockSalt)
		r, done := openBytes(t, dir, m.bytes())
		if r == nil {
			return
		}
		defer done()
		_, _ = r.Devices(t.Context())
		_ = r.Mappings(t.Context(), 1, func(Mapping) error { return nil })
		_ = r.Diff(t.Context(), 1, 2, func(Change) error { return nil })
		_, _ = r.Uses(t.Context())
		if most := 40 * maxHeight * len(m.blocks); r.reads > most {
			t.Errorf("%d reads of %d blocks", r.reads, len(m.blocks))
		}
	})
}
