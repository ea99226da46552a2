package thinpool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The first block of a metadata device, as far as it matters here.
const (
	metadataBlockSize    = 4096
	superblockMagic      = 27022010
	superblockMagicAt    = 32 // u64, little endian
	superblockDataSizeAt = 336
)

// recordedBlockSize returns the data block size, in bytes, of the pool whose
// metadata is on device. It is 0 when the device is blank, and an error when
// it holds something else.
func recordedBlockSize(device string) (int64, error) {
	block, err := readFirstBlock(device)
	if err != nil {
		return 0, err
	}
	size, err := parseSuperblock(block)
	if err != nil {
		return 0, fmt.Errorf("metadata device %s: %w", device, err)
	}
	return size, nil
}

func parseSuperblock(block []byte) (int64, error) {
	if len(block) < metadataBlockSize {
		return 0, errors.New("shorter than one block of 4096 bytes")
	}
	if binary.LittleEndian.Uint64(block[superblockMagicAt:]) == superblockMagic {
		return int64(binary.LittleEndian.Uint32(block[superblockDataSizeAt:])) * sectorSize, nil
	}
	for _, b := range block[:metadataBlockSize] {
		if b != 0 {
			return 0, errors.New("holds something that is no thin pool's metadata; if it can go, blank the first 4096 bytes")
		}
	}
	return 0, nil
}

// readFirstBlock reads around the page cache: the kernel writes the metadata of
// an active pool around it too, so what is cached may be old.
func readFirstBlock(device string) (_ []byte, err error) {
	f, err := os.OpenFile(device, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = also(err, f.Close()) }()
	block := alignedBlock()
	n, err := f.ReadAt(block, 0)
	if err != nil {
		return nil, fmt.Errorf("read the first block of %s (%d of %d bytes): %w", device, n, len(block), err)
	}
	return block, nil
}

// alignedBlock returns a buffer that suits O_DIRECT on any block device.
func alignedBlock() []byte {
	buf := make([]byte, 2*metadataBlockSize)
	skip := -address(buf) % metadataBlockSize
	return buf[skip:][:metadataBlockSize:metadataBlockSize]
}

func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
