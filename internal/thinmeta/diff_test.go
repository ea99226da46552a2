package thinmeta

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// compared is the diff by full comparison, for Diff to agree with.
func compared(before, after map[uint64]uint64) []Change {
	all := maps.Clone(before)
	maps.Copy(all, after)
	var changes []Change
	for _, virtual := range slices.Sorted(maps.Keys(all)) {
		c := Change{Virtual: virtual, Old: Unmapped, New: Unmapped}
		if data, ok := before[virtual]; ok {
			c.Old = data
		}
		if data, ok := after[virtual]; ok {
			c.New = data
		}
		if c.Old != c.New {
			changes = append(changes, c)
		}
	}
	return changes
}

// Small nodes give high trees; the edits leave most of them shared, and a
// block far out makes the second tree higher than the first.
func TestDiffIsAFullComparison(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		virtual := rapid.Uint64Range(0, 200)
		data := rapid.Uint64Range(0, 1<<40-1)
		before := rapid.MapOf(virtual, data).Draw(t, "before")
		after := maps.Clone(before)
		for range rapid.IntRange(0, 8).Draw(t, "edits") {
			if at := virtual.Draw(t, "at"); rapid.Bool().Draw(t, "unmap") {
				delete(after, at)
			} else {
				after[at] = data.Draw(t, "data")
			}
		}
		if rapid.Bool().Draw(t, "far") {
			after[maxVirtual-virtual.Draw(t, "below the end")] = data.Draw(t, "data")
		}
		width := rapid.SampledFrom([]uint64{2, 3, 16}).Draw(t, "width")
		if len(after) > 0 && slices.Max(slices.Collect(maps.Keys(after))) > 1000 {
			width = 64 // 57 bits of keys in no more than maxHeight nodes
		}
		p := pool{1: before, 2: after}
		r, done := openBytes(t, dir, p.metadata(width).bytes())
		defer done()
		for _, pair := range [][2]uint32{{1, 2}, {2, 1}, {1, 1}} {
			var got []Change
			if err := r.Diff(t.Context(), pair[0], pair[1], func(c Change) error { got = append(got, c); return nil }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(compared(p[pair[0]], p[pair[1]]), got); diff != "" {
				t.Fatalf("diff of %v (-want +got):\n%s", pair, diff)
			}
		}
	})
}

func TestDiffReadsOnlyWhatChanged(t *testing.T) {
	before := map[uint64]uint64{}
	for i := range uint64(100_000) {
		before[i] = 1_000_000 + i
	}
	after := maps.Clone(before)
	after[500], after[50_000] = 1, 2
	delete(after, 99_999)
	higher := maps.Clone(after)
	higher[1<<40] = 3
	r := openFor(t, pool{1: before, 2: after, 3: higher, 4: before}.metadata(100).file(t), Open)

	for _, c := range []struct {
		what         string
		old, new     uint32
		changes, max int
	}{
		// 3 leaves and what leads to them, in both trees; the way to the roots
		// and their heights.
		{"edits", 1, 2, 3, 32},
		{"trees of different heights", 1, 3, 4, 48},
		{"the same tree", 1, 4, 0, 16},
	} {
		start := r.reads
		if got := diffOf(t, r, c.old, c.new); len(got) != c.changes {
			t.Errorf("%s: %d changes, want %d", c.what, len(got), c.changes)
		}
		if reads := r.reads - start; reads > c.max {
			t.Errorf("%s: read %d blocks of 2000, want at most %d", c.what, reads, c.max)
		}
	}
}

// What is shared below nodes of different heights is found too: it can't be
// read here.
func TestDiffFindsSharedLeavesAtDifferentDepths(t *testing.T) {
	m := newImage()
	var leaves []entry
	for i := range uint64(10) {
		leaf := m.node(leafFlag, []entry{{i, number64(i)}}, numberSize)
		leaves = append(leaves, entry{i, number64(leaf)})
		if i > 0 { // the first tells the height
			clear(m.blocks[leaf])
		}
	}
	low := m.node(internalFlag, leaves, numberSize)
	high := m.node(internalFlag, []entry{
		{0, number64(m.node(internalFlag, leaves[:5], numberSize))},
		{5, number64(m.node(internalFlag, leaves[5:], numberSize))},
	}, numberSize)
	devices := []entry{{1, number64(low)}, {2, number64(high)}}
	m.superblock(0, map[int]uint64{mappingRootAt: m.node(leafFlag, devices, numberSize)})
	r := openFor(t, m.file(t), Open)
	if got := append(diffOf(t, r, 1, 2), diffOf(t, r, 2, 1)...); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestTheTimeOfAMappingIsNoDifference(t *testing.T) {
	m := newImage()
	var devices []entry
	for id := range uint64(2) {
		tree := m.node(leafFlag, []entry{{0, number64(10<<timeBits | id)}}, numberSize)
		devices = append(devices, entry{id, number64(tree)})
	}
	m.superblock(0, map[int]uint64{mappingRootAt: m.node(leafFlag, devices, numberSize)})
	r := openFor(t, m.file(t), Open)
	if got := diffOf(t, r, 0, 1); got != nil {
		t.Errorf("got %v", got)
	}
}
