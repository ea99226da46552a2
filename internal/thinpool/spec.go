package thinpool

import (
	"context"
	"fmt"
	"strings"

	"github.com/docker/go-units"

	"github.com/dmthin/dmthin/internal/dm"
)

// Limits of dm-thin.
const (
	MinBlockSize = 64 * units.KiB // also the unit of block sizes
	MaxBlockSize = units.GiB
	MaxDeviceID  = 1<<24 - 1
)

const sectorSize = 512

// uuidSuffix ends a pool's UUID. What precedes it begins the UUIDs of the
// pool's thin devices.
const uuidSuffix = "pool"

// Spec describes a thin pool.
type Spec struct {
	Name string // device-mapper name
	UUID string // device-mapper UUID: PREFIX + "pool"

	DataDevice     string // block device for the data; the pool covers all of it
	MetadataDevice string // block device for the metadata; dm-thin formats it if its first block is zero

	BlockSize         int64  // bytes, a multiple of 64 KiB up to 1 GiB; fixed for the pool's life
	LowWaterBlocks    uint64 // the kernel raises an event when fewer data blocks are free
	ZeroBlocks        bool   // write zeros to a block before its first use
	ErrorIfNoSpace    bool   // fail writes when the pool is full, instead of queueing them
	NoDiscardPassdown bool   // keep discards from the data device

	// UdevNotes is a folder as dm.RemoveNoted makes it, or empty.
	UdevNotes string

	// Check, if set, looks at the metadata of an inactive pool before it is made
	// active. Its error keeps the pool inactive.
	Check func(context.Context) error
}

func (s Spec) id() dm.ID { return dm.ID{Name: s.Name, UUID: s.UUID} }

func (s Spec) prefix() string { return strings.TrimSuffix(s.UUID, uuidSuffix) }

func (s Spec) validate() error {
	if err := s.id().Validate(); err != nil {
		return err
	}
	if s.prefix() == "" || s.prefix() == s.UUID {
		return fmt.Errorf("pool UUID %q must be a prefix of its own, then %q", s.UUID, uuidSuffix)
	}
	if s.BlockSize < MinBlockSize || s.BlockSize > MaxBlockSize || s.BlockSize%MinBlockSize != 0 {
		return fmt.Errorf("block size %d is not a multiple of %d (64 KiB) between that and 1 GiB", s.BlockSize, int64(MinBlockSize))
	}
	return nil
}

// table returns the pool's table for the given devices; dataSize in bytes.
func (s Spec) table(metadata, data devNumber, dataSize int64) []dm.Target {
	want := poolTable{
		metadata:     metadata,
		data:         data,
		blockSectors: uint64(s.BlockSize / sectorSize),
		lowWater:     s.LowWaterBlocks,
		features:     s.features(),
	}
	return []dm.Target{{Length: uint64(dataSize / sectorSize), Type: poolTarget, Params: want.String()}}
}

func (s Spec) features() []string {
	var features []string
	if !s.ZeroBlocks {
		features = append(features, "skip_block_zeroing")
	}
	if s.NoDiscardPassdown {
		features = append(features, "no_discard_passdown")
	}
	if s.ErrorIfNoSpace {
		features = append(features, errorIfNoSpace)
	}
	return features
}
