package thinmeta

import (
	"bytes"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// image is pool metadata made by hand, so that tests get trees no tool would
// write. Block 0 is the superblock.
type image struct {
	blocks [][]byte
	known  map[string]uint64 // nodes by content
}

func newImage() *image {
	return &image{blocks: [][]byte{make([]byte, blockSize)}, known: map[string]uint64{}}
}

// seal gives block at its number and checksum.
func (m *image) seal(at uint64, salt uint32) {
	block := m.blocks[at]
	binary.LittleEndian.PutUint64(block[blockNumberAt:], at)
	binary.LittleEndian.PutUint32(block, checksum(block, salt))
}

func (m *image) add(block []byte, salt uint32) uint64 {
	at := uint64(len(m.blocks))
	m.blocks = append(m.blocks, block)
	m.seal(at, salt)
	return at
}

// node adds a node, or finds the one of the same content: as between snapshots
// what is equal is shared.
func (m *image) node(flags uint32, entries []entry, valueSize int) uint64 {
	block := make([]byte, blockSize)
	room := (blockSize - keysAt) / (keySize + valueSize)
	for offset, v := range map[int]int{
		nodeFlagsAt: int(flags), entriesAt: len(entries), maxEntriesAt: room, valueSizeAt: valueSize,
	} {
		binary.LittleEndian.PutUint32(block[offset:], uint32(v))
	}
	for i, e := range entries {
		binary.LittleEndian.PutUint64(block[keysAt+i*keySize:], e.key)
		copy(block[keysAt+room*keySize+i*valueSize:], e.value)
	}
	at, ok := m.known[string(block)]
	if !ok {
		content := string(block)
		at = m.add(block, nodeSalt)
		m.known[content] = at
	}
	return at
}

type entry struct {
	key   uint64
	value []byte
}

// tree adds a tree whose leaves hold the keys of one multiple of width each,
// the nodes above them those of one multiple of width*width, and so on.
func (m *image) tree(entries []entry, valueSize int, width uint64) uint64 {
	flags := uint32(leafFlag)
	for span := width; ; span *= width {
		groups := groupBy(entries, span)
		if len(groups) <= 1 {
			return m.node(flags, entries, valueSize)
		}
		var parents []entry
		for _, group := range groups {
			parents = append(parents, entry{group[0].key, number64(m.node(flags, group, valueSize))})
		}
		entries, flags, valueSize = parents, internalFlag, numberSize
	}
}

func groupBy(entries []entry, span uint64) [][]entry {
	var groups [][]entry
	for i, e := range entries {
		if i == 0 || entries[i-1].key/span != e.key/span {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], e)
	}
	return groups
}

func number64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

// pool is what a test wants to be in an image: device ID, virtual block, and
// the data block.
type pool map[uint32]map[uint64]uint64

// metadata makes the image of p, whose nodes are at most width wide.
func (p pool) metadata(width uint64) *image {
	m := newImage()
	var roots, details []entry
	for _, id := range slices.Sorted(maps.Keys(p)) {
		var mappings []entry
		for _, virtual := range slices.Sorted(maps.Keys(p[id])) {
			mappings = append(mappings, entry{virtual, number64(p[id][virtual] << timeBits)})
		}
		roots = append(roots, entry{uint64(id), number64(m.tree(mappings, numberSize, width))})
		detail := binary.LittleEndian.AppendUint64(number64(uint64(len(mappings))), 0)
		details = append(details, entry{uint64(id), append(detail, make([]byte, 8)...)})
	}
	m.superblock(0, map[int]uint64{
		mappingRootAt: m.tree(roots, numberSize, width),
		detailsRootAt: m.tree(details, detailsSize, min(width, 100)),
	})
	return m
}

// superblock writes a superblock with the given 64-bit fields to block at.
func (m *image) superblock(at uint64, fields map[int]uint64) {
	block := m.blocks[at]
	binary.LittleEndian.PutUint64(block[magicAt:], magic)
	for offset, v := range map[int]uint32{versionAt: 2, dataBlockSizeAt: 128, metadataBlockSizeAt: 8} {
		binary.LittleEndian.PutUint32(block[offset:], v)
	}
	for offset, v := range fields {
		binary.LittleEndian.PutUint64(block[offset:], v)
	}
	m.seal(at, superblockSalt)
}

// reserve makes a metadata snapshot of the image as it is.
func (m *image) reserve() {
	block := bytes.Clone(m.blocks[0])
	clear(block[dataSpaceMapAt:mappingRootAt])
	m.superblock(0, map[int]uint64{heldRootAt: m.add(block, superblockSalt)})
}

func (m *image) bytes() []byte { return bytes.Join(m.blocks, nil) }

func (m *image) file(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "metadata")
	if err := os.WriteFile(path, m.bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

func openFor(tb testing.TB, path string, open func(string) (*Reader, error)) *Reader {
	tb.Helper()
	r, err := open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := r.Close(); err != nil {
			tb.Error(err)
		}
	})
	return r
}
