package config

import (
	"errors"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/docker/go-units"
)

// setter stores a value, or returns what is wrong with it.
type setter = func(o *Options, value string) (reason string)

func setSize(least int64, store func(*Options, int64)) setter {
	return func(o *Options, value string) string {
		size, reason := parseSize(value, least)
		if reason == "" {
			store(o, size)
		}
		return reason
	}
}

func setBool(store func(*Options, bool)) setter {
	return func(o *Options, value string) string {
		on, err := strconv.ParseBool(value)
		if err != nil {
			return "neither true nor false"
		}
		store(o, on)
		return ""
	}
}

// appendText takes a value that is handed on to mkfs or mount as it is. Both
// end an argument at a NUL.
func appendText(list func(*Options) *[]string) setter {
	return func(o *Options, value string) string {
		switch {
		case value == "":
			return "empty"
		case strings.ContainsFunc(value, unicode.IsControl):
			return "has a control character"
		}
		l := list(o)
		*l = append(*l, value)
		return ""
	}
}

func setFilesystem(o *Options, value string) string {
	if value != "ext4" && value != "xfs" {
		return "not a filesystem for layers"
	}
	o.Filesystem = value
	return ""
}

// setBlockSize has dm-thin's rules. A pool refuses another block size only
// when it is loaded, with EINVAL and a line in the kernel log.
func setBlockSize(o *Options, value string) string {
	size, reason := parseSize(value, 64*units.KiB)
	switch {
	case reason != "":
		return reason
	case size > units.GiB:
		return "too large"
	case size%(64*units.KiB) != 0:
		return "not a multiple of 64KiB"
	}
	o.BlockSize, o.BlockSizeSet = size, true
	return ""
}

func setMinFreeSpace(o *Options, value string) string {
	number, found := strings.CutSuffix(value, "%")
	if !found {
		return "no % sign at its end"
	}
	n, reason := parseInt(number, 0, 99)
	if reason == "" {
		o.MinFreeSpacePercent = n
	}
	return reason
}

// setXFSRetries: the kernel keeps the number as an int, in which -1 is for
// ever. That hangs a container when the pool is full, so it isn't offered.
func setXFSRetries(o *Options, value string) string {
	n, reason := parseInt(value, 0, 1<<31-1)
	if reason == "" {
		retries := uint(n)
		o.XFSNoSpaceMaxRetries = &retries
	}
	return reason
}

func setLogLevel(o *Options, value string) string {
	n, reason := parseInt(value, 2, 7)
	if reason == "" {
		o.LibDMLogLevel = n
	}
	return reason
}

func parseInt(value string, least, most int) (n int, reason string) {
	n, err := strconv.Atoi(value) // out of range: an error, and the nearest int
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, "not a whole number"
	case n < least:
		return 0, "too small"
	case n > most:
		return 0, "too large"
	}
	return n, ""
}

func setDevice(field func(*Options) *string) setter {
	return func(o *Options, value string) string {
		switch {
		case value == "":
			return "empty"
		case !filepath.IsAbs(value):
			return "not an absolute path"
		case strings.ContainsFunc(value, unicode.IsControl):
			return "has a control character"
		}
		*field(o) = filepath.Clean(value)
		return ""
	}
}

// poolName is what device-mapper and LVM take, with one slash between volume
// group and logical volume.
var poolName = regexp.MustCompile(`^(/dev/)?[0-9A-Za-z+_.][0-9A-Za-z+_.-]*(/[0-9A-Za-z+_.-]+)?$`)

func setThinPool(o *Options, value string) string {
	switch {
	case value == "":
		return "empty"
	case !poolName.MatchString(value) || strings.HasPrefix(value, "/dev/") != (strings.Count(value, "/") == 3):
		return "not the name of a device-mapper device or logical volume"
	}
	o.ThinPoolDevice = value
	return ""
}

func setPercent(most int, field func(*Options) *int) setter {
	return func(o *Options, value string) string {
		n, reason := parseInt(strings.TrimSuffix(value, "%"), 1, most)
		if reason == "" {
			*field(o) = n
		}
		return reason
	}
}

func percent(n int) string { return strconv.Itoa(n) + "%" }
