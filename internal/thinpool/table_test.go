package thinpool

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPoolTableSurvivesTheKernel(t *testing.T) {
	// What `dmsetup table` shows for the table we load.
	want := poolTable{
		metadata: devNumber{7, 1}, data: devNumber{254, 1048575}, blockSectors: 128, lowWater: 32768,
		features: []string{"skip_block_zeroing", "error_if_no_space"},
	}
	const line = "7:1 254:1048575 128 32768 2 skip_block_zeroing error_if_no_space"
	if got := want.String(); got != line {
		t.Errorf("got %q, want %q", got, line)
	}
	got, err := parsePoolTable(line + " ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(poolTable{}, devNumber{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestMalformedTablesAreRefused(t *testing.T) {
	for _, params := range []string{"", "7:0 7:1 128", "7 7:1 128 0 0", "7:0 x:1 128 0 0", "7:0 7:1 x 0 0", "7:0 7:1 128 -1 0", "7:0 4096:1 128 0 0"} {
		if got, err := parsePoolTable(params); err == nil {
			t.Errorf("pool table %q is read as %v", params, got)
		}
	}
	for _, params := range []string{"", "254:0", "254:0 x", "x 1", "254:0 16777216", "254:0 1 7:0"} {
		if got, err := parseThinTable(params); err == nil {
			t.Errorf("thin table %q is read as %v", params, got)
		}
	}
}

func FuzzThinTable(f *testing.F) {
	f.Add("254:0 0")
	f.Add("254:1048575 16777215")
	f.Add("254:0 1 7:0")
	f.Fuzz(func(t *testing.T, params string) {
		table, err := parseThinTable(params)
		if err != nil {
			return
		}
		again, err := parseThinTable(table.String())
		if err != nil || again != table {
			t.Errorf("%q: %v reads back as %v, %v", params, table, again, err)
		}
	})
}

func FuzzPoolTable(f *testing.F) {
	f.Add("7:1 7:0 128 32768 1 skip_block_zeroing")
	f.Add("7:1 7:0 2097152 0 0")
	f.Fuzz(func(t *testing.T, params string) {
		table, err := parsePoolTable(params)
		if err != nil {
			return
		}
		again, err := parsePoolTable(table.String())
		if err != nil || again.String() != table.String() {
			t.Errorf("%q: %v reads back as %v, %v", params, table, again, err)
		}
	})
}
