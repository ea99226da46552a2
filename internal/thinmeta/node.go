package thinmeta

import (
	"encoding/binary"
	"fmt"
)

// Where a B-tree node's fields are.
const (
	nodeFlagsAt  = 4
	entriesAt    = 16
	maxEntriesAt = 20
	valueSizeAt  = 24
	keysAt       = 32 // the values follow behind room for maxEntries keys

	keySize = 8

	internalFlag = 1 << 0
	leafFlag     = 1 << 1
)

// Sizes of values: of every internal node and of the mapping trees' leaves,
// and of the details tree's leaves.
const (
	numberSize  = 8
	detailsSize = 24
)

// node is one block of a B-tree.
type node struct {
	leaf   bool
	keys   []uint64 // strictly ascending
	values [][]byte // as many, of one size
}

// parseNode decodes the node in block number at, of a tree whose leaves hold
// values of valueSize bytes. The result shares no memory with block.
func parseNode(block []byte, at uint64, valueSize int) (*node, error) {
	if err := verify(block, nodeSalt, at); err != nil {
		return nil, fmt.Errorf("b-tree node: %w", err)
	}
	n, err := decodeNode(block, valueSize)
	if err != nil {
		return nil, fmt.Errorf("b-tree node in block %d: %w", at, err)
	}
	return n, nil
}

func decodeNode(block []byte, valueSize int) (*node, error) {
	u32 := binary.LittleEndian.Uint32
	n := &node{}
	switch flags := u32(block[nodeFlagsAt:]); flags {
	case internalFlag:
		valueSize = numberSize
	case leafFlag:
		n.leaf = true
	default:
		return nil, fmt.Errorf("%w: flags %#x", ErrCorrupt, flags)
	}
	if size := u32(block[valueSizeAt:]); int64(size) != int64(valueSize) {
		return nil, fmt.Errorf("%w: values of %d bytes instead of %d", ErrCorrupt, size, valueSize)
	}
	entries, room := int64(u32(block[entriesAt:])), int64(u32(block[maxEntriesAt:]))
	if entries > room || keysAt+room*int64(keySize+valueSize) > blockSize {
		return nil, fmt.Errorf("%w: %d entries with room for %d", ErrCorrupt, entries, room)
	}
	n.decodeEntries(block, int(entries), int(room), valueSize)
	return n, n.ascending()
}

func (n *node) decodeEntries(block []byte, entries, room, valueSize int) {
	n.keys = make([]uint64, entries)
	n.values = make([][]byte, entries)
	valuesAt := keysAt + room*keySize
	values := append([]byte(nil), block[valuesAt:valuesAt+entries*valueSize]...)
	for i := range entries {
		n.keys[i] = binary.LittleEndian.Uint64(block[keysAt+i*keySize:])
		n.values[i] = values[i*valueSize:][:valueSize:valueSize]
	}
}

func (n *node) ascending() error {
	for i := 1; i < len(n.keys); i++ {
		if n.keys[i] <= n.keys[i-1] {
			return fmt.Errorf("%w: key %d follows key %d", ErrCorrupt, n.keys[i], n.keys[i-1])
		}
	}
	return nil
}
