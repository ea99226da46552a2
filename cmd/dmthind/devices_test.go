package main

import (
	"slices"
	"testing"

	"github.com/dmthin/dmthin/internal/thinpool"
)

func TestExtentsHoldAllBlocksInFewPieces(t *testing.T) {
	const mib = 1 << 20
	var got []thinpool.Extent
	for _, block := range []int64{0, 1, 50, 200, 264, 1000} {
		got = addExtent(got, thinpool.Extent{Start: block * mib, Length: mib})
	}
	want := []thinpool.Extent{{Start: 0, Length: 51 * mib}, {Start: 200 * mib, Length: 65 * mib}, {Start: 1000 * mib, Length: mib}}
	if !slices.Equal(got, want) {
		t.Errorf("extents %v, want %v", got, want)
	}
}
