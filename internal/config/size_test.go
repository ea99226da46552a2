package config

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSizesAreWrittenInTheLargestWholeUnit(t *testing.T) {
	for size, want := range map[int64]string{
		0: "0", 512: "512", 1024: "1KiB", 1536: "1536", 64 << 10: "64KiB", 3 << 19: "1536KiB", 10 << 30: "10GiB", 1 << 60: "1024PiB",
	} {
		if got := FormatSize(size); got != want {
			t.Errorf("FormatSize(%d) = %s, want %s", size, got, want)
		}
	}
}

func TestFormattedSizeReadsBackTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Any number of sectors, and whole numbers of a unit.
		shift := rapid.SampledFrom([]int{9, 10, 20, 30, 40, 50}).Draw(t, "unit")
		size := rapid.Int64Range(1, 1<<60>>shift).Draw(t, "count") << shift
		written := FormatSize(size)
		if rapid.Bool().Draw(t, "lower case") {
			written = strings.ToLower(written)
		}
		if got, reason := parseSize(written, 1); reason != "" || got != size {
			t.Fatalf("%d was written as %s and read as %d (%s)", size, written, got, reason)
		}
	})
}

func TestParsedSizeIsWholeSectorsAndInRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[0-9]{1,20}(\.[0-9]{1,3})?(e[0-9]{1,2})? ?[kmgtp]?i?b?`).Draw(t, "value")
		size, reason := parseSize(value, minExt4)
		if reason == "" && (size%sector != 0 || size < minExt4 || size > maxSize) {
			t.Fatalf("%q was read as %d", value, size)
		}
		if reason != "" && size != 0 {
			t.Fatalf("%q: %s, and yet %d", value, reason, size)
		}
	})
}

func TestFilesystemsHaveASmallestSize(t *testing.T) {
	for _, tc := range []struct {
		filesystem string
		size       int64
		ok         bool
	}{
		{"ext4", 16 << 20, true},
		{"ext4", 16<<20 - 512, false},
		{"xfs", 300 << 20, true},
		{"xfs", 300<<20 - 512, false},
	} {
		err := CheckFilesystemSize(tc.filesystem, tc.size)
		if (err == nil) != tc.ok || err != nil && !strings.Contains(err.Error(), tc.filesystem) {
			t.Errorf("%s of %d bytes: %v", tc.filesystem, tc.size, err)
		}
	}
}
