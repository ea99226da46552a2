package looplvm

import (
	"encoding/binary"
	"io"
)

// The first block of a dm-thin metadata device, little endian
// (drivers/md/dm-thin-metadata.c, struct thin_disk_superblock).
const (
	superblockSize        = 4096
	superblockMagic       = 27022010
	offsetMagic           = 32
	offsetDataBlocks      = 64  // first field of the data space map's root
	offsetDataBlockSize   = 336 // 512-byte sectors
	offsetMetadataBlkSize = 340 // 512-byte sectors
	offsetMetadataBlocks  = 344
	sector                = 512
)

// poolSize is how many bytes a pool needs of its two devices.
type poolSize struct{ data, metadata int64 }

// content says what a metadata file starts with.
type content int

const (
	empty   content = iota // zeros: no pool has been made yet
	pool                   // a thin pool's superblock
	foreign                // anything else
)

// readSuperblock reads the start of a metadata file. The sizes it finds can lag
// behind those of a running pool, which only ever grow.
func readSuperblock(r io.ReaderAt) (content, poolSize, error) {
	block := make([]byte, superblockSize)
	n, err := r.ReadAt(block, 0)
	if err != nil && err != io.EOF {
		return foreign, poolSize{}, err
	}
	if isZero(block) { // also where the file is shorter than a block
		return empty, poolSize{}, nil
	}
	u32, u64 := binary.LittleEndian.Uint32, binary.LittleEndian.Uint64
	if n < superblockSize || u64(block[offsetMagic:]) != superblockMagic {
		return foreign, poolSize{}, nil
	}
	return pool, poolSize{
		data:     int64(u64(block[offsetDataBlocks:])) * int64(u32(block[offsetDataBlockSize:])) * sector,
		metadata: int64(u64(block[offsetMetadataBlocks:])) * int64(u32(block[offsetMetadataBlkSize:])) * sector,
	}, nil
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
