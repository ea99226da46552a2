package thinmeta

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// openBytes opens metadata from memory. rapid and fuzzing have no TempDir per
// run, and may want thousands.
func openBytes(tb interface{ Fatal(...any) }, dir string, content []byte) (*Reader, func()) {
	path := filepath.Join(dir, "metadata")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
	r, err := Open(path)
	if err != nil {
		return nil, func() {}
	}
	return r, func() {
		if err := r.Close(); err != nil {
			tb.Fatal(err)
		}
	}
}

// nonsense makes trees with right checksums that no kernel writes; some would
// keep a trusting reader busy for ever. Each returns its root.
var nonsense = map[string]func(m *image) uint64{
	"a node that is its own child": func(m *image) uint64 {
		at := uint64(len(m.blocks))
		return m.node(internalFlag, []entry{keyed(0, at)}, numberSize)
	},
	"a chain of nodes without end": func(m *image) uint64 {
		at := m.node(leafFlag, []entry{keyed(5, 1)}, numberSize)
		for range maxHeight {
			at = m.node(internalFlag, []entry{keyed(5, at)}, numberSize)
		}
		return at
	},
	"one child for many keys": func(m *image) uint64 {
		leaf := m.node(leafFlag, []entry{keyed(0, 1)}, numberSize)
		return m.node(internalFlag, []entry{keyed(0, leaf), keyed(1, leaf)}, numberSize)
	},
	"children that overlap": func(m *image) uint64 {
		first := m.node(leafFlag, []entry{keyed(0, 1), keyed(1, 1)}, numberSize)
		second := m.node(leafFlag, []entry{keyed(1, 1), keyed(2, 1)}, numberSize)
		return m.node(internalFlag, []entry{keyed(0, first), keyed(1, second)}, numberSize)
	},
	"an empty child": func(m *image) uint64 {
		leaf := m.node(leafFlag, nil, numberSize)
		return m.node(internalFlag, []entry{keyed(0, leaf), keyed(1, leaf)}, numberSize)
	},
	"an empty internal root": func(m *image) uint64 { return m.node(internalFlag, nil, numberSize) },
	"an empty internal child": func(m *image) uint64 {
		leaf := m.node(leafFlag, []entry{keyed(0, 1)}, numberSize)
		first := m.node(internalFlag, []entry{keyed(0, leaf)}, numberSize)
		return m.node(internalFlag, []entry{keyed(0, first), keyed(1, m.node(internalFlag, nil, numberSize))}, numberSize)
	},
	"keys out of order": func(m *image) uint64 {
		return m.node(leafFlag, []entry{keyed(3, 1), keyed(2, 1)}, numberSize)
	},
	"a key twice": func(m *image) uint64 {
		return m.node(leafFlag, []entry{keyed(3, 1), keyed(3, 1)}, numberSize)
	},
	"a key above the highest": func(m *image) uint64 {
		return m.node(leafFlag, []entry{keyed(maxVirtual+1, 1)}, numberSize)
	},
	"leaves at two depths": func(m *image) uint64 {
		low := m.node(leafFlag, []entry{keyed(0, 1)}, numberSize)
		high := m.node(internalFlag, []entry{keyed(1, m.node(leafFlag, []entry{keyed(1, 1)}, numberSize))}, numberSize)
		return m.node(internalFlag, []entry{keyed(0, low), keyed(1, high)}, numberSize)
	},
	"a child beyond the device": func(m *image) uint64 {
		leaf := m.node(leafFlag, []entry{keyed(0, 1)}, numberSize)
		return m.node(internalFlag, []entry{keyed(0, leaf), keyed(1, 1<<60)}, numberSize)
	},
	"values of another size": func(m *image) uint64 {
		return m.node(leafFlag, []entry{{0, make([]byte, detailsSize)}}, detailsSize)
	},
	"neither leaf nor internal": func(m *image) uint64 { return m.node(0, []entry{keyed(0, 1)}, numberSize) },
	"the superblock as a node":  func(*image) uint64 { return 0 },
	"more entries than fit": func(m *image) uint64 {
		at := m.node(leafFlag, []entry{keyed(0, 1)}, numberSize)
		binary.LittleEndian.PutUint32(m.blocks[at][entriesAt:], 1<<30)
		binary.LittleEndian.PutUint32(m.blocks[at][maxEntriesAt:], 1<<31)
		m.seal(at, nodeSalt)
		return at
	},
	"more entries than room": func(m *image) uint64 {
		at := m.node(leafFlag, []entry{keyed(0, 1)}, numberSize)
		binary.LittleEndian.PutUint32(m.blocks[at][entriesAt:], 300)
		m.seal(at, nodeSalt)
		return at
	},
}

func keyed(k, child uint64) entry { return entry{k, number64(child)} }

func TestNonsenseIsRefused(t *testing.T) {
	for name, root := range nonsense {
		t.Run(name, func(t *testing.T) {
			m := newImage()
			devices := []entry{keyed(1, root(m)), keyed(2, m.node(leafFlag, []entry{keyed(0, 9<<timeBits)}, numberSize))}
			m.superblock(0, map[int]uint64{mappingRootAt: m.node(leafFlag, devices, numberSize)})
			r := openFor(t, m.file(t), Open)
			for what, err := range map[string]error{
				"mappings":     r.Mappings(t.Context(), 1, func(Mapping) error { return nil }),
				"diff to it":   r.Diff(t.Context(), 2, 1, func(Change) error { return nil }),
				"diff from it": r.Diff(t.Context(), 1, 2, func(Change) error { return nil }),
			} {
				if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrChecksum) {
					t.Errorf("%s: got %v", what, err)
				}
			}
		})
	}
}

func TestAFlippedBitInANodeIsNoticed(t *testing.T) {
	m := pool{1: {0: 10}}.metadata(4)
	for at := range m.blocks[1:] {
		m.blocks[at+1][100] ^= 1
	}
	r := openFor(t, m.file(t), Open)
	if _, err := r.Devices(t.Context()); !errors.Is(err, ErrChecksum) {
		t.Errorf("devices: %v", err)
	}
	if err := r.Mappings(t.Context(), 1, nil); !errors.Is(err, ErrChecksum) {
		t.Errorf("mappings: %v", err)
	}
}

func TestADeviceIDAbove24BitsIsRefused(t *testing.T) {
	m := newImage()
	m.superblock(0, map[int]uint64{
		detailsRootAt: m.node(leafFlag, []entry{{1 << 24, make([]byte, detailsSize)}}, detailsSize),
	})
	if _, err := openFor(t, m.file(t), Open).Devices(t.Context()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want %v", err, ErrCorrupt)
	}
}
