package inodescan

import "sort"

// from returns those of the extents that end behind offset.
func from(extents []Extent, offset int64) []Extent {
	i := sort.Search(len(extents), func(i int) bool { return extents[i].end() > offset })
	return extents[i:]
}
