package thinmeta

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testdata/pool.bin.gz was written by thin_restore; the XML beside it is what
// thin_dump and thin_delta say about it.

func golden(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func goldenPool(tb testing.TB) *image {
	tb.Helper()
	z, err := gzip.NewReader(bytes.NewReader(golden(tb, "pool.bin.gz")))
	if err != nil {
		tb.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	m := &image{known: map[string]uint64{}}
	for ; len(data) >= blockSize; data = data[blockSize:] {
		m.blocks = append(m.blocks, data[:blockSize:blockSize])
	}
	return m
}

func TestReadsWhatThinDumpReads(t *testing.T) {
	r := openFor(t, goldenPool(t).file(t), Open)
	pool, want := parseDump(t, golden(t, "pool.dump.xml"))
	if diff := cmp.Diff(want, readAll(t, r), cmp.AllowUnexported(contents{})); diff != "" {
		t.Errorf("not what thin_dump says (-want +got):\n%s", diff)
	}
	got := r.Superblock()
	if got.Time != pool.Time || got.TransactionID != pool.TransactionID || got.DataBlocks != pool.DataBlocks ||
		got.BlockSize != pool.BlockSectors*512 || got.NeedsCheck || got.HeldRoot != 0 {
		t.Errorf("superblock %+v, thin_dump says %+v", got, pool)
	}
}

func TestDiffIsThinDeltas(t *testing.T) {
	r := openFor(t, goldenPool(t).file(t), Open)
	requireDelta(t, diffOf(t, r, 0, 1), golden(t, "pool.delta.xml"))
}

func TestDiffReportsBothDataBlocks(t *testing.T) {
	r := openFor(t, goldenPool(t).file(t), Open)
	changes := map[uint64]Change{}
	for _, c := range diffOf(t, r, 0, 1) {
		changes[c.Virtual] = c
	}
	for _, want := range []Change{
		{Virtual: 76, Old: 1076, New: Unmapped},
		{Virtual: 98, Old: 1098, New: 20003},
		{Virtual: 3050, Old: Unmapped, New: 21005},
	} {
		if got := changes[want.Virtual]; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}
