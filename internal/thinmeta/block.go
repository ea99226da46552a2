package thinmeta

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	blockSize     = 4096
	sectorSize    = 512
	blockNumberAt = 8 // u64, in every kind of block
)

// A kind of block is told from others by what its checksum is XORed with, so
// that a node read as a superblock fails.
const (
	superblockSalt = 160774
	nodeSalt       = 121107
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the kernel's dm_bm_checksum: CRC-32C without the final
// inversion, over everything behind the checksum field itself.
func checksum(block []byte, salt uint32) uint32 {
	return ^crc32.Checksum(block[4:blockSize], castagnoli) ^ salt
}

// verify checks that block is an intact block of its kind and belongs at
// number at: a stale or misdirected write has a right checksum elsewhere.
func verify(block []byte, salt uint32, at uint64) error {
	if len(block) != blockSize {
		return fmt.Errorf("block %d: %w: %d bytes long", at, ErrCorrupt, len(block))
	}
	if got, want := checksum(block, salt), binary.LittleEndian.Uint32(block); got != want {
		return fmt.Errorf("block %d: %w: %#x recorded, %#x computed", at, ErrChecksum, want, got)
	}
	if number := binary.LittleEndian.Uint64(block[blockNumberAt:]); number != at {
		return fmt.Errorf("block %d: %w: says it is block %d", at, ErrCorrupt, number)
	}
	return nil
}
