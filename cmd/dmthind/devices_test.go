package main

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/dmthin/dmthin/internal/thinmeta"
	"github.com/dmthin/dmthin/internal/thinpool"
)

func TestExtentsHoldAllBlocksInFewPieces(t *testing.T) {
	const mib = 1 << 20
	var got []thinpool.Extent
	for _, block := range []int64{0, 1, 50, 200, 264, 1000} {
		got = addExtent(got, thinpool.Extent{Start: block * mib, Length: mib}, false)
	}
	want := []thinpool.Extent{{Start: 0, Length: 51 * mib}, {Start: 200 * mib, Length: 65 * mib}, {Start: 1000 * mib, Length: mib}}
	if !slices.Equal(got, want) {
		t.Errorf("extents %v, want %v", got, want)
	}
	got = addExtent(got, thinpool.Extent{Start: 1002 * mib, Length: mib}, true)
	if want = append(want, thinpool.Extent{Start: 1002 * mib, Length: mib}); !slices.Equal(got, want) {
		t.Errorf("with something between: extents %v, want %v", got, want)
	}
}

func TestMetadataAreReadAgainAfterACommitAFewTimes(t *testing.T) {
	for commits, want := range map[int]struct {
		reads int
		err   error
	}{0: {1, nil}, 2: {3, nil}, 9: {3, thinmeta.ErrChanged}} {
		reads := 0
		_, err := betweenCommits(func() (int, error) {
			if reads++; reads <= commits {
				return 0, fmt.Errorf("read: %w", thinmeta.ErrChanged)
			}
			return 0, nil
		})
		if reads != want.reads || !errors.Is(err, want.err) {
			t.Errorf("%d commits: %d reads, %v", commits, reads, err)
		}
	}
	reads := 0
	if _, err := betweenCommits(func() (int, error) { reads++; return 0, thinmeta.ErrChecksum }); err == nil || reads != 1 {
		t.Errorf("damage: %d reads, %v", reads, err)
	}
}
