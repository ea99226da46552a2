package config

import (
	"fmt"
	"slices"
	"strings"
)

// Options are the dm.* options of one Init. Sizes are in bytes and whole
// sectors. Parse returns them complete and within their ranges; the zero value
// is of no use.
type Options struct {
	// BaseSize is the size of the base device, and so of every layer that
	// isn't given its own.
	BaseSize    int64
	BaseSizeSet bool // given, so that an existing base device has to follow

	LoopDataSize     int64
	LoopMetadataSize int64

	// Filesystem is "ext4", "xfs", or "" if not given: the existing base
	// device's, or DefaultFilesystem for a new pool.
	Filesystem   string
	MkfsArgs     []string // one argument each
	MountOptions []string // each may be a list with commas, as mount -o takes

	// BlockSize is the thin pool's, fixed when the pool is made.
	BlockSize    int64
	BlockSizeSet bool // given, so that an existing pool must have it

	BlkDiscard    bool
	BlkDiscardSet bool

	OverrideUdevSyncCheck bool

	// DeferredRemoval and DeferredDeletion are nil if not given: on where the
	// kernel has them. Deletion is never on with removal off.
	DeferredRemoval  *bool
	DeferredDeletion *bool

	MinFreeSpacePercent  int   // of data and of metadata; 0 for no check
	ErrorIfNoSpace       bool  // a full pool that can't grow fails writes at once, and doesn't queue them
	XFSNoSpaceMaxRetries *uint // nil for the kernel's own default; Parse never leaves it so
	LibDMLogLevel        int   // 2 (fatal) to 7 (debug), libdevmapper's scale

	// At most one of these three kinds of pool is given; none for loop-lvm.
	ThinPoolDevice             string    // name of a pool somebody else made, as given
	DirectLVM                  DirectLVM // a pool to make with LVM, if it has a Device
	DataDevice, MetadataDevice string    // block devices for a pool of ours; one alone has a loop file for the other
}

// DirectLVM is the set-up of automatic direct-lvm. Numbers are as given: 0
// where they were not.
type DirectLVM struct {
	Device              string
	Force               bool // what is on the device may go
	DataPercent         int  // of the volume group, 1 to 99
	MetadataPercent     int
	AutoextendThreshold int // percent used, 1 to 100; 100 for never. LVM takes less than 50 for 50
	AutoextendPercent   int // of the pool's size, 1 to 100
}

// What holds for the numbers of DirectLVM that are not given.
const (
	DefaultDataPercent         = 95
	DefaultMetadataPercent     = 1
	DefaultAutoextendThreshold = 80
	DefaultAutoextendPercent   = 20
)

// DefaultFilesystem is made in new pools. Per layer, ext4 keeps more of its
// blocks shared and mounts faster than xfs.
const DefaultFilesystem = "ext4"

func defaults() Options {
	retries := uint(defaultXFSRetries)
	return Options{
		BaseSize:             defaultBaseSize,
		LoopDataSize:         defaultLoopDataSize,
		LoopMetadataSize:     defaultLoopMetadataSize,
		BlockSize:            defaultBlockSize,
		BlkDiscard:           true,
		MinFreeSpacePercent:  defaultMinFreeSpace,
		ErrorIfNoSpace:       true,
		LibDMLogLevel:        defaultLibDMLogLevel,
		XFSNoSpaceMaxRetries: &retries,
	}
}

// Parse reads options of the form key=value, in dockerd's order. Of an option
// that is given twice the last counts, unless it is one that adds up. Blanks
// around key and value, and the key's case, don't matter.
//
// Its errors name the option, the value and what would be accepted, and wrap
// ErrUnknownOption, ErrContradiction or a *ValueError where one fits.
func Parse(opts []string) (Options, error) {
	o := defaults()
	for _, opt := range opts {
		key, value, ok := strings.Cut(opt, "=")
		if !ok {
			return Options{}, fmt.Errorf("storage option %q: want key=value", opt)
		}
		if err := o.set(strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)); err != nil {
			return Options{}, err
		}
	}
	if err := o.settle(); err != nil {
		return Options{}, err
	}
	return o, nil
}

func (o *Options) set(key, value string) error {
	i := slices.IndexFunc(table, func(opt Option) bool { return opt.Name == key })
	if i < 0 {
		return fmt.Errorf("%w %q; see docs/options.md for those there are", ErrUnknownOption, key)
	}
	if reason := table[i].set(o, value); reason != "" {
		return &ValueError{Option: key, Value: value, Reason: reason, Accepts: table[i].Accepts}
	}
	return nil
}
