package nameindex

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func someEntries(from, n int) []Entry {
	var entries []Entry
	for i := range n {
		inode := uint64(from + i*3)
		entries = append(entries, Entry{inode, fmt.Sprintf("usr/share/folder-%d/file-%d", i/50, i)})
		if i%100 == 0 { // as of a file with many names, over more than one page
			for j := range i / 4 {
				entries = append(entries, Entry{inode, fmt.Sprintf("links/%d/and-its-name-is-%d", i, j)})
			}
		}
	}
	return entries
}

func lookup(t *testing.T, layer string, inode uint64) []string {
	t.Helper()
	x, err := Open(layer)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	return x.Lookup(inode)
}

func newLayer(t *testing.T) string {
	t.Helper()
	layer := filepath.Join(t.TempDir(), "rootfs")
	if err := os.Mkdir(layer, 0o755); err != nil {
		t.Fatal(err)
	}
	return layer
}

func TestEveryNameIsFoundByItsInode(t *testing.T) {
	layer := newLayer(t)
	entries := someEntries(11, 3000)
	want := map[uint64][]string{}
	for _, e := range entries {
		want[e.Inode] = append(want[e.Inode], e.Name)
	}
	slices.Reverse(entries)
	if err := Write(layer, entries); err != nil {
		t.Fatal(err)
	}
	x, err := Open(layer)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	for inode := range uint64(10_000) {
		got := x.Lookup(inode)
		slices.Sort(got)
		slices.Sort(want[inode])
		if d := cmp.Diff(want[inode], got); d != "" {
			t.Fatalf("inode %d (-want +got):\n%s", inode, d)
		}
	}
	if got := x.Lookup(1 << 40); got != nil {
		t.Errorf("an inode behind all others has the names %q", got)
	}
}

func TestNamesOfTheNewestLayerComeFirst(t *testing.T) {
	layer := newLayer(t)
	for i := range 12 {
		if err := Write(layer, []Entry{{5, fmt.Sprintf("name-%d", i)}, {6, "other"}}); err != nil {
			t.Fatal(err)
		}
	}
	got := lookup(t, layer, 5)
	if len(got) != 12 || got[0] != "name-11" || got[11] != "name-0" {
		t.Errorf("got %q", got)
	}
}

func TestLongNamesAreLeftOut(t *testing.T) {
	layer := newLayer(t)
	long := strings.Repeat("x", maxName)
	if err := Write(layer, []Entry{{1, "a"}, {1, long}, {1, long + "y"}, {2, long}, {3, long}, {4, "b"}}); err != nil {
		t.Fatal(err)
	}
	for inode, want := range map[uint64][]string{1: {"a", long}, 2: {long}, 3: {long}, 4: {"b"}} {
		if d := cmp.Diff(want, lookup(t, layer, inode)); d != "" {
			t.Errorf("inode %d: %s", inode, d)
		}
	}
}

func TestDamagedPagesTellNothing(t *testing.T) {
	layer := newLayer(t)
	if err := Write(layer, someEntries(11, 3000)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder(layer), "1")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, e := range someEntries(11, 3000) {
		known[fmt.Sprint(e)] = true
	}
	for _, at := range []int{0, 4, 9, 100, 5000, len(whole) - 1} {
		damaged := slices.Clone(whole)
		damaged[at] ^= 0x55
		if err := os.WriteFile(path, damaged[:len(damaged)-at%7], 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := Open(layer)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for inode := range uint64(10_000) {
			for _, name := range x.Lookup(inode) {
				found++
				if !known[fmt.Sprint(Entry{inode, name})] {
					t.Fatalf("byte %d changed: inode %d is called %q", at, inode, name)
				}
			}
		}
		x.Close()
		if found == 0 || found == len(known) {
			t.Errorf("byte %d changed: %d of %d names found", at, found, len(known))
		}
	}
}

func TestLayersWithoutAnIndexHaveNoNames(t *testing.T) {
	if got := lookup(t, newLayer(t), 1); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestNothingIsWrittenBesideAFilesystem(t *testing.T) {
	if err := Write("/proc", []Entry{{1, "a"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/names"); err == nil {
		t.Error("there is an index beside /proc")
	}
	if got := lookup(t, "/proc", 1); got != nil {
		t.Errorf("got %q", got)
	}
}

func FuzzPage(f *testing.F) {
	var p page
	p.add(Entry{1, "a/b"})
	p.add(Entry{2, "a/c"})
	f.Add(p.seal())
	f.Fuzz(func(_ *testing.T, b []byte) {
		if len(b) == pageSize { // the checksum must not keep the fuzzer out
			reseal(b)
		}
		if whole(b) {
			search(b, firstInode(b)+1, nil)
		}
	})
}

func reseal(b []byte) {
	var p page
	copy(p.buf[:], b)
	p.used, p.count = pageSize, int(b[countAt])|int(b[countAt+1])<<8
	copy(b, p.seal())
}
