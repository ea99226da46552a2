package thinmeta

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// dump is the output of thin_dump.
type dump struct {
	Time          uint32 `xml:"time,attr"`
	TransactionID uint64 `xml:"transaction,attr"`
	BlockSectors  int64  `xml:"data_block_size,attr"`
	DataBlocks    uint64 `xml:"nr_data_blocks,attr"`
	Devices       []struct {
		ID            uint32 `xml:"dev_id,attr"`
		MappedBlocks  uint64 `xml:"mapped_blocks,attr"`
		TransactionID uint64 `xml:"transaction,attr"`
		CreationTime  uint32 `xml:"creation_time,attr"`
		SnapTime      uint32 `xml:"snap_time,attr"`
		Singles       []struct {
			Virtual uint64 `xml:"origin_block,attr"`
			Data    uint64 `xml:"data_block,attr"`
			Time    uint32 `xml:"time,attr"`
		} `xml:"single_mapping"`
		Ranges []struct {
			Virtual uint64 `xml:"origin_begin,attr"`
			Data    uint64 `xml:"data_begin,attr"`
			Length  uint64 `xml:"length,attr"`
			Time    uint32 `xml:"time,attr"`
		} `xml:"range_mapping"`
	} `xml:"device"`
}

func parseDump(tb testing.TB, text []byte) (dump, contents) {
	tb.Helper()
	var d dump
	if err := xml.Unmarshal(text, &d); err != nil {
		tb.Fatal(err)
	}
	all := contents{mappings: map[uint32][]Mapping{}}
	for _, dev := range d.Devices {
		all.devices = append(all.devices, Device{
			dev.ID, dev.MappedBlocks, dev.TransactionID, dev.CreationTime, dev.SnapTime,
		})
		var mappings []Mapping
		for _, s := range dev.Singles {
			mappings = append(mappings, Mapping(s))
		}
		for _, r := range dev.Ranges {
			for i := range r.Length {
				mappings = append(mappings, Mapping{r.Virtual + i, r.Data + i, r.Time})
			}
		}
		slices.SortFunc(mappings, func(a, b Mapping) int { return cmp.Compare(a.Virtual, b.Virtual) })
		all.mappings[dev.ID] = mappings
	}
	return d, all
}

// parseList reads thin_ls's columns DEV, MAPPED_BLOCKS and EXCLUSIVE_BLOCKS.
// Later versions also say what they are doing.
func parseList(tb testing.TB, text []byte) map[uint32]Use {
	tb.Helper()
	uses := map[uint32]Use{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "Scanning ") {
			continue
		}
		var id uint32
		var use Use
		if _, err := fmt.Sscan(line, &id, &use.Mapped, &use.Exclusive); err != nil {
			tb.Fatalf("thin_ls: %q: %v", line, err)
		}
		uses[id] = use
	}
	return uses
}

// deltaRange is an element of thin_delta's output.
type deltaRange struct {
	Begin  uint64 `xml:"begin,attr"`
	Length uint64 `xml:"length,attr"`
}

// parseDelta returns the virtual blocks thin_delta found to differ: those both
// devices have, and those only one has.
func parseDelta(tb testing.TB, text []byte) (different, left, right []uint64) {
	tb.Helper()
	var delta struct {
		Different []deltaRange `xml:"diff>different"`
		Left      []deltaRange `xml:"diff>left_only"`
		Right     []deltaRange `xml:"diff>right_only"`
	}
	if err := xml.Unmarshal(text, &delta); err != nil {
		tb.Fatal(err)
	}
	return singles(delta.Different), singles(delta.Left), singles(delta.Right)
}

func singles(ranges []deltaRange) []uint64 {
	var blocks []uint64
	for _, r := range ranges {
		for i := range r.Length {
			blocks = append(blocks, r.Begin+i)
		}
	}
	return blocks
}

// asDelta sorts changes the way thin_delta does.
func asDelta(changes []Change) (different, left, right []uint64) {
	for _, c := range changes {
		switch {
		case c.New == Unmapped:
			left = append(left, c.Virtual)
		case c.Old == Unmapped:
			right = append(right, c.Virtual)
		default:
			different = append(different, c.Virtual)
		}
	}
	return different, left, right
}

// requireDelta compares a diff with thin_delta's.
func requireDelta(tb testing.TB, changes []Change, text []byte) {
	tb.Helper()
	gotDifferent, gotLeft, gotRight := asDelta(changes)
	wantDifferent, wantLeft, wantRight := parseDelta(tb, text)
	for _, c := range []struct {
		what      string
		got, want []uint64
	}{
		{"different", gotDifferent, wantDifferent},
		{"left only", gotLeft, wantLeft},
		{"right only", gotRight, wantRight},
	} {
		if !slices.Equal(c.got, c.want) {
			tb.Errorf("%s blocks: got %v, thin_delta says %v", c.what, c.got, c.want)
		}
	}
}
