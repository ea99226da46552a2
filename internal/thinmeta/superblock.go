package thinmeta

import (
	"encoding/binary"
	"fmt"
)

const (
	magic = 27022010
	// The layout read here is the same in both versions; the kernel writes 2
	// and accepts either.
	minVersion, maxVersion = 1, 2

	needsCheckFlag = 1 << 0
)

// Where the superblock's fields are.
const (
	flagsAt             = 4
	uuidAt              = 16
	magicAt             = 32
	versionAt           = 40
	timeAt              = 44
	transactionIDAt     = 48
	heldRootAt          = 56
	dataSpaceMapAt      = 64  // begins with the number of data blocks
	metadataSpaceMapAt  = 192 // begins with the number of metadata blocks, and how many are in use
	mappingRootAt       = 320
	detailsRootAt       = 328
	dataBlockSizeAt     = 336
	metadataBlockSizeAt = 340
	incompatibleAt      = 360

	bitmapRootAt = 16 // in a space map
)

// Superblock describes the pool as of one commit, or of the moment its
// metadata snapshot was reserved.
type Superblock struct {
	UUID          [16]byte // all zero unless a tool set it; the kernel doesn't
	TransactionID uint64   // of the pool's user
	Time          uint32   // counts the snapshots ever made
	NeedsCheck    bool     // the kernel met an error and wants thin_check
	// HeldRoot is the block of the metadata snapshot, 0 when none is reserved.
	HeldRoot   uint64
	BlockSize  int64  // bytes in a data block
	DataBlocks uint64 // of the data device; 0 in a metadata snapshot, which keeps no space map
	// MetadataUsed is how many bytes the metadata takes, 0 in a metadata snapshot.
	MetadataUsed int64

	dataBitmaps     uint64 // root of the tree of bitmaps; 0 in a metadata snapshot
	metadataBitmaps uint64 // block with the index of bitmaps; 0 in a metadata snapshot
	mappingRoot     uint64
	detailsRoot     uint64
}

// parseSuperblock checks the magic first: on a device that never was a pool's
// a wrong checksum would be the less helpful answer.
func parseSuperblock(block []byte, at uint64) (Superblock, error) {
	if len(block) != blockSize || binary.LittleEndian.Uint64(block[magicAt:]) != magic {
		return Superblock{}, fmt.Errorf("superblock in block %d: %w", at, ErrMagic)
	}
	if err := verify(block, superblockSalt, at); err != nil {
		return Superblock{}, fmt.Errorf("superblock: %w", err)
	}
	if err := supported(block); err != nil {
		return Superblock{}, fmt.Errorf("superblock in block %d: %w", at, err)
	}
	u32, u64 := binary.LittleEndian.Uint32, binary.LittleEndian.Uint64
	return Superblock{
		UUID:          [16]byte(block[uuidAt:]),
		TransactionID: u64(block[transactionIDAt:]),
		Time:          u32(block[timeAt:]),
		NeedsCheck:    u32(block[flagsAt:])&needsCheckFlag != 0,
		HeldRoot:      u64(block[heldRootAt:]),
		BlockSize:     int64(u32(block[dataBlockSizeAt:])) * sectorSize,
		DataBlocks:    u64(block[dataSpaceMapAt:]),
		MetadataUsed:  int64(u64(block[metadataSpaceMapAt+8:])) * blockSize,

		dataBitmaps:     u64(block[dataSpaceMapAt+bitmapRootAt:]),
		metadataBitmaps: u64(block[metadataSpaceMapAt+bitmapRootAt:]),
		mappingRoot:     u64(block[mappingRootAt:]),
		detailsRoot:     u64(block[detailsRootAt:]),
	}, nil
}

// supported refuses what a later kernel may have written. Features it marks as
// compatible, for reading too, need no check.
func supported(block []byte) error {
	u32 := binary.LittleEndian.Uint32
	if v := u32(block[versionAt:]); v < minVersion || v > maxVersion {
		return fmt.Errorf("%w: %d", ErrVersion, v)
	}
	if features := u32(block[incompatibleAt:]); features != 0 {
		return fmt.Errorf("%w: incompatible features %#x", ErrVersion, features)
	}
	if size := int64(u32(block[metadataBlockSizeAt:])) * sectorSize; size != blockSize {
		return fmt.Errorf("%w: metadata blocks of %d bytes", ErrVersion, size)
	}
	return nil
}
