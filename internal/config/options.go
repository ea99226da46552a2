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
	XFSNoSpaceMaxRetries *uint // nil for the kernel's own default
	LibDMLogLevel        int   // 2 (fatal) to 7 (debug), libdevmapper's scale
}

// DefaultFilesystem is made in new pools. Per layer, ext4 keeps more of its
// blocks shared and mounts faster than xfs.
const DefaultFilesystem = "ext4"

func defaults() Options {
	return Options{
		BaseSize:            defaultBaseSize,
		LoopDataSize:        defaultLoopDataSize,
		LoopMetadataSize:    defaultLoopMetadataSize,
		BlockSize:           defaultBlockSize,
		BlkDiscard:          true,
		MinFreeSpacePercent: defaultMinFreeSpace,
		LibDMLogLevel:       defaultLibDMLogLevel,
	}
}

// Parse reads options of the form key=value, in dockerd's order. Of an option
// that is given twice the last counts, unless it is one that adds up. Blanks
// around key and value, and the key's case, don't matter.
//
// Its errors name the option, the value and what would be accepted, and wrap
// ErrUnknownOption, ErrUnsupportedOption or a *ValueError where one fits.
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
	switch {
	case i < 0:
		return fmt.Errorf("%w %q; see docs/options.md for those there are", ErrUnknownOption, key)
	case table[i].set == nil:
		return fmt.Errorf("%s: direct-lvm pools are %w; remove the option to use loop-lvm", key, ErrUnsupportedOption)
	}
	if reason := table[i].set(o, value); reason != "" {
		return &ValueError{Option: key, Value: value, Reason: reason, Accepts: table[i].Accepts}
	}
	return nil
}

// settle checks and completes what depends on more than one option.
func (o *Options) settle() error {
	if removal := o.DeferredRemoval; removal != nil && !*removal {
		switch deletion := o.DeferredDeletion; {
		case deletion == nil:
			off := false
			o.DeferredDeletion = &off
		case *deletion:
			return fmt.Errorf("%s=true needs %s, which is false; set both the same, or remove both for the default",
				optDeferredDeletion, optDeferredRemoval)
		}
	}
	if o.BaseSizeSet && o.Filesystem != "" {
		if err := CheckFilesystemSize(o.Filesystem, o.BaseSize); err != nil {
			return fmt.Errorf("%s with %s=%s: %w", optBaseSize, optFilesystem, o.Filesystem, err)
		}
	}
	return nil
}
