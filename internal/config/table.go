package config

import (
	"slices"
	"strconv"

	"github.com/docker/go-units"
)

// Option describes a dm.* option to users.
type Option struct {
	Name    string // with the "dm." in front
	Default string // "" for none
	Accepts string // the values, in words
	Repeats bool   // given more than once it adds up; of others the last counts

	// set stores a value; it returns what is wrong with it, or "".
	set func(o *Options, value string) (reason string)
}

// Table returns the options in the order in which to show them.
func Table() []Option { return slices.Clone(table) }

const (
	defaultBaseSize         = 10 * units.GiB
	defaultLoopDataSize     = 100 * units.GiB
	defaultLoopMetadataSize = 2 * units.GiB
	defaultBlockSize        = 64 * units.KiB
	defaultMinFreeSpace     = 10
	defaultLibDMLogLevel    = 2
	defaultXFSRetries       = 0

	minLoopData     = 16 * units.MiB
	minLoopMetadata = 2 * units.MiB
)

// The names that errors about several options need.
const (
	optBaseSize         = "dm.basesize"
	optFilesystem       = "dm.fs"
	optDeferredRemoval  = "dm.use_deferred_removal"
	optDeferredDeletion = "dm.use_deferred_deletion"

	optThinPoolDevice  = "dm.thinpooldev"
	optDataDevice      = "dm.datadev"
	optMetadataDevice  = "dm.metadatadev"
	optDirectDevice    = "dm.directlvm_device"
	optDirectForce     = "dm.directlvm_device_force"
	optDataPercent     = "dm.thinp_percent"
	optMetadataPercent = "dm.thinp_metapercent"
	optThreshold       = "dm.thinp_autoextend_threshold"
	optExtension       = "dm.thinp_autoextend_percent"
)

const (
	acceptsBool    = "true or false"
	acceptsDevice  = "the path of a block device"
	acceptsPercent = "a whole number from 1 to 99, with or without a % sign"
	acceptsGrowth  = "a whole number from 1 to 100, with or without a % sign"
)

var table = []Option{
	{
		Name: optBaseSize, Default: FormatSize(defaultBaseSize),
		Accepts: "a size of 16MiB or more (xfs: 300MiB)",
		set: setSize(minExt4, func(o *Options, size int64) {
			o.BaseSize, o.BaseSizeSet = size, true
		}),
	}, {
		Name: "dm.loopdatasize", Default: FormatSize(defaultLoopDataSize),
		Accepts: "a size of 16MiB or more",
		set:     setSize(minLoopData, func(o *Options, size int64) { o.LoopDataSize = size }),
	}, {
		Name: "dm.loopmetadatasize", Default: FormatSize(defaultLoopMetadataSize),
		Accepts: "a size of 2MiB or more",
		set:     setSize(minLoopMetadata, func(o *Options, size int64) { o.LoopMetadataSize = size }),
	}, {
		Name: optFilesystem, Default: DefaultFilesystem,
		Accepts: "ext4 or xfs",
		set:     setFilesystem,
	}, {
		Name: "dm.mkfsarg", Repeats: true,
		Accepts: "one argument for mkfs",
		set:     appendText(func(o *Options) *[]string { return &o.MkfsArgs }),
	}, {
		Name: "dm.mountopt", Repeats: true,
		Accepts: "mount options, with commas between them",
		set:     appendText(func(o *Options) *[]string { return &o.MountOptions }),
	}, {
		Name: "dm.blocksize", Default: FormatSize(defaultBlockSize),
		Accepts: "a multiple of 64KiB up to 1GiB",
		set:     setBlockSize,
	}, {
		Name: "dm.blkdiscard", Default: "true on loop files, else false",
		Accepts: acceptsBool,
		set: setBool(func(o *Options, on bool) {
			o.BlkDiscard, o.BlkDiscardSet = on, true
		}),
	}, {
		Name: optDeferredRemoval, Default: "true where the kernel has it",
		Accepts: acceptsBool,
		set:     setBool(func(o *Options, on bool) { o.DeferredRemoval = &on }),
	}, {
		Name: optDeferredDeletion, Default: "the same as " + optDeferredRemoval,
		Accepts: acceptsBool,
		set:     setBool(func(o *Options, on bool) { o.DeferredDeletion = &on }),
	}, {
		Name: "dm.min_free_space", Default: "10%",
		Accepts: "a whole number from 0 to 99 with a % sign",
		set:     setMinFreeSpace,
	}, {
		Name: "dm.error_if_no_space", Default: "true",
		Accepts: acceptsBool,
		set:     setBool(func(o *Options, on bool) { o.ErrorIfNoSpace = on }),
	}, {
		Name: "dm.xfs_nospace_max_retries", Default: strconv.Itoa(defaultXFSRetries),
		Accepts: "a whole number from 0 to 2147483647",
		set:     setXFSRetries,
	}, {
		Name: "dm.override_udev_sync_check", Default: "false",
		Accepts: acceptsBool,
		set:     setBool(func(o *Options, on bool) { o.OverrideUdevSyncCheck = on }),
	}, {
		Name: "dm.libdm_log_level", Default: "2",
		Accepts: "a whole number from 2 (fatal) to 7 (debug)",
		set:     setLogLevel,
	}, {
		Name:    optThinPoolDevice,
		Accepts: "the name of a thin pool, as NAME, /dev/mapper/NAME, VG/LV or /dev/VG/LV",
		set:     setThinPool,
	}, {
		Name: optDirectDevice, Accepts: acceptsDevice,
		set: setDevice(func(o *Options) *string { return &o.DirectLVM.Device }),
	}, {
		Name: optDirectForce, Default: "false",
		Accepts: acceptsBool,
		set:     setBool(func(o *Options, on bool) { o.DirectLVM.Force = on }),
	}, {
		Name: optDataPercent, Default: percent(DefaultDataPercent), Accepts: acceptsPercent,
		set: setPercent(99, func(o *Options) *int { return &o.DirectLVM.DataPercent }),
	}, {
		Name: optMetadataPercent, Default: percent(DefaultMetadataPercent), Accepts: acceptsPercent,
		set: setPercent(99, func(o *Options) *int { return &o.DirectLVM.MetadataPercent }),
	}, {
		Name: optThreshold, Default: percent(DefaultAutoextendThreshold), Accepts: acceptsGrowth,
		set: setPercent(100, func(o *Options) *int { return &o.DirectLVM.AutoextendThreshold }),
	}, {
		Name: optExtension, Default: percent(DefaultAutoextendPercent), Accepts: acceptsGrowth,
		set: setPercent(100, func(o *Options) *int { return &o.DirectLVM.AutoextendPercent }),
	}, {
		Name: optDataDevice, Accepts: acceptsDevice,
		set: setDevice(func(o *Options) *string { return &o.DataDevice }),
	}, {
		Name: optMetadataDevice, Accepts: acceptsDevice,
		set: setDevice(func(o *Options) *string { return &o.MetadataDevice }),
	},
}
