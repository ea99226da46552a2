package config

import (
	"fmt"
	"strconv"

	"github.com/docker/go-units"
)

const (
	sector = 512

	// maxSize is where the sizes that kernel and filesystems can deal with end.
	maxSize = 1 << 60

	minExt4 = 16 * units.MiB
	// minXFS is the smallest that mkfs.xfs makes since version 5.19.
	minXFS = 300 * units.MiB
)

// parseSize reads a size with binary units: 1k, 1kb and 1KiB are all 1024. It
// rounds down to whole sectors, since 0.3g is none. reason is empty or says
// what is wrong.
func parseSize(value string, least int64) (size int64, reason string) {
	size, err := units.RAMInBytes(value)
	switch {
	case err != nil:
		return 0, "not a size"
	// A float too large for an int64 turns negative on some machines.
	case size < 0 || size > maxSize:
		return 0, "too large"
	}
	rounded := size - size%sector
	if rounded < least || rounded == 0 && size > 0 {
		return 0, "too small"
	}
	return rounded, ""
}

// FormatSize writes a size so that it reads back as the same, in the largest
// binary unit that needs no fraction: 10GiB, 64KiB, 512.
func FormatSize(size int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{units.PiB, "PiB"}, {units.TiB, "TiB"}, {units.GiB, "GiB"}, {units.MiB, "MiB"}, {units.KiB, "KiB"}} {
		if size != 0 && size%u.size == 0 {
			return strconv.FormatInt(size/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(size, 10)
}

// CheckFilesystemSize reports whether a filesystem, "ext4" or "xfs", can be
// made in so many bytes.
func CheckFilesystemSize(filesystem string, size int64) error {
	least := int64(minExt4)
	if filesystem == "xfs" {
		least = minXFS
	}
	if size < least {
		return fmt.Errorf("%s is too small for %s, which takes %s or more", FormatSize(size), filesystem, FormatSize(least))
	}
	return nil
}
