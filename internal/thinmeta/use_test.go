package thinmeta

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// counted is the use by looking at every mapping.
func counted(p pool) map[uint32]Use {
	owners := map[uint64]int{}
	for _, mappings := range p {
		for _, data := range mappings {
			owners[data]++
		}
	}
	uses := map[uint32]Use{}
	for id, mappings := range p {
		use := Use{Mapped: uint64(len(mappings))}
		for _, data := range mappings {
			if owners[data] == 1 {
				use.Exclusive++
			}
		}
		uses[id] = use
	}
	return uses
}

// drawnPool has chains of snapshots that go their own ways, as layers do.
func drawnPool(t *rapid.T) pool {
	fresh := uint64(0)
	allocate := func() uint64 { fresh++; return fresh }
	p := pool{}
	for id := range rapid.IntRange(1, 6).Draw(t, "devices") {
		mappings := map[uint64]uint64{}
		if id > 0 {
			origin := rapid.IntRange(0, id-1).Draw(t, "origin")
			maps.Copy(mappings, p[uint32(origin)])
		}
		for range rapid.IntRange(0, 30).Draw(t, "writes") {
			at := rapid.Uint64Range(0, 100).Draw(t, "at")
			if rapid.IntRange(0, 3).Draw(t, "discard") == 0 {
				delete(mappings, at)
			} else {
				mappings[at] = allocate()
			}
		}
		p[uint32(id)] = mappings
	}
	return p
}

// Small nodes give high trees, of which the snapshots share parts of every size.
func TestUseIsWhatNoOtherDeviceRefersTo(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		p := drawnPool(t)
		width := rapid.SampledFrom([]uint64{2, 3, 16}).Draw(t, "width")
		r, done := openBytes(t, dir, p.metadata(width).bytes())
		defer done()
		got, err := r.Uses(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(counted(p), got); diff != "" {
			t.Fatalf("use (-want +got):\n%s", diff)
		}
	})
}

func TestUseReadsSharedNodesAFewTimesOnly(t *testing.T) {
	mappings := map[uint64]uint64{}
	for i := range uint64(10_000) {
		mappings[i] = i
	}
	p := pool{}
	for id := range uint32(100) {
		p[id] = maps.Clone(mappings)
		p[id][uint64(id)*50] = 1_000_000 + uint64(id)
	}
	r := openFor(t, p.metadata(100).file(t), Open)
	uses, err := r.Uses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if uses[7] != (Use{Mapped: 10_000, Exclusive: 1}) {
		t.Errorf("use of a snapshot of which one block was written: %+v", uses[7])
	}
	// 100 shared leaves, and a root and a leaf of each device's own, each found
	// by way of the top-level tree and its height.
	if most := 100*20 + 500; r.reads > most {
		t.Errorf("%d reads for 100 devices that share 100 nodes, want at most %d", r.reads, most)
	}
}
