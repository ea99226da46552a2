//go:build roottest

package thinmeta

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func tool(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	var failed bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s%s", name, args, err, out, failed.Bytes())
	}
	return out
}

// randomDevice describes a device of count mappings, the same for the same seed
// but for the blocks edits changes.
func randomDevice(seed uint64, count, edits int) []Mapping {
	random := rand.New(rand.NewPCG(seed, 1))
	var mappings []Mapping
	for virtual := uint64(0); len(mappings) < count; virtual += 1 + random.Uint64N(3) {
		mappings = append(mappings, Mapping{virtual, 100_000*seed + virtual, 1})
	}
	for i := range edits {
		mappings[random.IntN(len(mappings))].Data = 900_000 + uint64(i)
	}
	return mappings
}

func restore(t *testing.T, devices [][]Mapping) string {
	t.Helper()
	var text bytes.Buffer
	text.WriteString(`<superblock uuid="" time="2" transaction="3" version="2" data_block_size="128" nr_data_blocks="1000000">` + "\n")
	for id, mappings := range devices {
		fmt.Fprintf(&text, `<device dev_id="%d" mapped_blocks="%d" transaction="%d" creation_time="1" snap_time="2">`+"\n", id*7, len(mappings), id)
		for _, m := range mappings {
			fmt.Fprintf(&text, `<single_mapping origin_block="%d" data_block="%d" time="%d"/>`+"\n", m.Virtual, m.Data, m.Time)
		}
		text.WriteString("</device>\n")
	}
	text.WriteString("</superblock>\n")
	dir := t.TempDir()
	input, path := filepath.Join(dir, "xml"), filepath.Join(dir, "metadata")
	if err := os.WriteFile(input, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, 16<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "thin_restore", "-i", input, "-o", path)
	return path
}

// The golden file keeps one version's word; this asks the tools of the machine.
func TestAgreesWithTheMachinesTools(t *testing.T) {
	path := restore(t, [][]Mapping{randomDevice(1, 5000, 0), randomDevice(1, 5000, 40), randomDevice(2, 5000, 0), nil})
	r := openFor(t, path, Open)
	_, want := parseDump(t, tool(t, "thin_dump", path))
	if diff := cmp.Diff(want, readAll(t, r), cmp.AllowUnexported(contents{})); diff != "" {
		t.Errorf("not what thin_dump says (-want +got):\n%s", diff)
	}
	uses, err := r.Uses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parseList(t, tool(t, "thin_ls", "--no-headers", "-o", "DEV,MAPPED_BLOCKS,EXCLUSIVE_BLOCKS", path)), uses); diff != "" {
		t.Errorf("not what thin_ls says (-want +got):\n%s", diff)
	}
	requireSharing(t, r, uses)
	for _, pair := range [][2]uint32{{0, 7}, {7, 0}, {0, 14}, {14, 21}} {
		changes := diffOf(t, r, pair[0], pair[1])
		requireDelta(t, changes, tool(t, "thin_delta", "--snap1", fmt.Sprint(pair[0]), "--snap2", fmt.Sprint(pair[1]), path))
		if len(changes) == 0 {
			t.Errorf("devices %v: nothing differs", pair)
		}
	}
}

// A node has room for 252 entries, so more than 252*252 mappings take three nodes
// from the root to a leaf: 4 GiB in blocks of 64 KiB.
func TestAgreesWithTheMachinesToolsOnTreesOfHeightThree(t *testing.T) {
	const count = 252*252 + 5000
	path := restore(t, [][]Mapping{randomDevice(1, count, 0), randomDevice(1, count, 60), randomDevice(1, 400, 0)})
	r := openFor(t, path, Open)
	mappings, err := r.mappingTree(t.Context(), 7)
	if err != nil || mappings.root.level != 2 {
		t.Fatalf("the leaves are below %d nodes, %v", mappings.root.level, err)
	}
	_, want := parseDump(t, tool(t, "thin_dump", path))
	if got := readAll(t, r); !cmp.Equal(want, got, cmp.AllowUnexported(contents{})) {
		t.Error("not what thin_dump says")
	}
	for _, pair := range [][2]uint32{{0, 7}, {7, 0}, {0, 14}, {14, 7}} {
		delta := tool(t, "thin_delta", "--snap1", fmt.Sprint(pair[0]), "--snap2", fmt.Sprint(pair[1]), path)
		requireDelta(t, diffOf(t, r, pair[0], pair[1]), delta)
	}
}
