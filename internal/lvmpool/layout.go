package lvmpool

const (
	extentSize  = 4 << 20 // LVM's default
	headerSize  = 1 << 20 // what LVM leaves free at the start of each disk
	maxMetadata = 16 << 30
)

// Docker's numbers for what is not given.
const (
	DefaultDataPercent     = 95 // of the volume group
	DefaultMetadataPercent = 1
	DefaultThreshold       = 80 // percent in use above which LVM extends a pool
	DefaultExtension       = 20 // percent of its size
	DefaultChunkSize       = 512 << 10
)

// Layout is how a volume group is divided up. Sizes are in bytes, and whole
// extents.
type Layout struct {
	Data, Metadata int64
	Spare          int64 // 0: there is no room for LVM's spare metadata volume
	Free           int64 // for the pool to grow into
}

// Divide computes what LVM makes of a volume group of so many extents. dataSize
// takes the place of dataPercent if it is not 0. subject is what is too small.
func Divide(subject string, extents int64, dataPercent, metadataPercent int, dataSize int64) (Layout, error) {
	data := extents * int64(dataPercent) / 100
	if dataSize != 0 {
		data = (dataSize + extentSize - 1) / extentSize
	}
	metadata := min(extents*int64(metadataPercent)/100, maxMetadata/extentSize)
	if data == 0 || metadata == 0 {
		percent := int64(metadataPercent)
		if dataSize == 0 {
			percent = int64(min(dataPercent, metadataPercent))
		}
		return Layout{}, refuse(ErrTooSmall, subject, "use a larger disk, or a larger percentage",
			"is too small: %d %% of its %d MiB is less than LVM's smallest volume, 4 MiB", percent, extents*extentSize>>20)
	}
	if data+metadata > extents {
		return Layout{}, refuse(ErrTooSmall, subject, "give a smaller size, or more disks",
			"has no room in %d MiB for %d MiB of data and %d MiB of metadata",
			extents*extentSize>>20, data*extentSize>>20, metadata*extentSize>>20)
	}
	l := Layout{Data: data * extentSize, Metadata: metadata * extentSize}
	free := extents - data - metadata
	if free >= metadata {
		l.Spare = l.Metadata
		free -= metadata
	}
	l.Free = free * extentSize
	return l, nil
}

// ExtentsOf is what LVM makes of a disk of this size.
func ExtentsOf(size int64) int64 { return max(0, (size-headerSize)/extentSize) }
