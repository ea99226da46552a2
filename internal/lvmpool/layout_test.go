package lvmpool

import (
	"errors"
	"strings"
	"testing"
)

func TestGroupIsDividedAsLVMDoes(t *testing.T) {
	const extent = 4 << 20
	for _, tc := range []struct {
		extents        int64
		data, metadata int
		size           int64
		want           Layout
	}{
		{extents: 255, data: 95, metadata: 1, want: Layout{242 * extent, 2 * extent, 2 * extent, 9 * extent}},
		{extents: 100, data: 99, metadata: 1, want: Layout{99 * extent, 1 * extent, 0, 0}},
		{extents: 255, metadata: 1, size: 100 << 20, want: Layout{25 * extent, 2 * extent, 2 * extent, 226 * extent}},
		{extents: 255, metadata: 1, size: 100<<20 + 1, want: Layout{26 * extent, 2 * extent, 2 * extent, 225 * extent}},
		// dm-thin uses no more than 16 GiB of metadata.
		{extents: 1 << 20, data: 50, metadata: 10, want: Layout{(1 << 19) * extent, 16 << 30, 16 << 30, (1<<20)*extent - (1<<19)*extent - 32<<30}},
	} {
		got, err := Divide("disk", tc.extents, tc.data, tc.metadata, tc.size)
		if err != nil || got != tc.want {
			t.Errorf("%+v: %+v, %v", tc, got, err)
		}
	}
}

func TestTooSmallADiskIsRefusedWithNumbers(t *testing.T) {
	for _, tc := range []struct {
		extents, size int64
		words         string
	}{
		{extents: 99, words: "1 % of its 396 MiB"},
		{extents: 0, words: "0 MiB"},
		{extents: 200, size: 1 << 30, words: "no room in 800 MiB for 1024 MiB of data and 8 MiB of metadata"},
	} {
		_, err := Divide("disk /dev/sdb", tc.extents, 95, 1, tc.size)
		if !errors.Is(err, ErrTooSmall) || !strings.Contains(err.Error(), tc.words) || !strings.Contains(err.Error(), "disk /dev/sdb") {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}
