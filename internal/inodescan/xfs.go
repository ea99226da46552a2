package inodescan

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// The superblock of xfs version 5 (XFS Algorithms & Data Structures, "Superblocks"):
// big endian, at byte 0 of the device.
const (
	xfsMagic = "XFSB"

	xfsBlockSizeAt     = 4
	xfsRealtimeAt      = 16
	xfsUUIDAt          = 32
	xfsLogStartAt      = 48
	xfsOwnInodesAt     = 64 // two, of the realtime bitmaps
	xfsAGBlocksAt      = 84
	xfsAGsAt           = 88
	xfsLogBlocksAt     = 96
	xfsVersionAt       = 100
	xfsSectorSizeAt    = 102
	xfsInodeSizeAt     = 104
	xfsBlockLogAt      = 120
	xfsInodeLogAt      = 122
	xfsInodesInBlockAt = 123 // log2
	xfsAGBlocksLogAt   = 124
	xfsInProgressAt    = 126
	xfsInodesAt        = 128
	xfsFreeInodesAt    = 136
	xfsQuotaInodesAt   = 160 // two, of users and groups
	xfsReadOnlyAt      = 212
	xfsIncompatAt      = 216
	xfsLogIncompatAt   = 220
	xfsChecksumAt      = 224
	xfsProjectQuotaAt  = 232
)

// What may be in use besides. Not here: another UUID in the inodes than in the
// superblock, repairs that are due, metadata in folders.
const (
	xfsIncompatOK = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x80 // ftype, sparse inodes, bigtime, large extent counters, exchange-range, parent pointers
	xfsReadOnlyOK = 0x1 | 0x2 | 0x4 | 0x8                // finobt, rmapbt, reflink, inobtcount
)

// xfs is the layout of one xfs filesystem.
type xfs struct {
	device     io.ReaderAt
	superblock []byte

	blockSize     int64
	inodeSize     int64
	agBlocks      int64
	ags           int64
	log           Extent // the journal; of length 0 if it lies elsewhere
	inodesInBlock uint   // log2
	agBlocksLog   uint   // log2, rounded up
	used          uint64
	ownInodes     []uint64 // that no name leads to
}

func isXFS(head []byte) bool { return string(head[:len(xfsMagic)]) == xfsMagic }

func (fs *xfs) u8(at int) uint    { return uint(fs.superblock[at]) }
func (fs *xfs) u16(at int) int64  { return int64(binary.BigEndian.Uint16(fs.superblock[at:])) }
func (fs *xfs) u32(at int) int64  { return int64(binary.BigEndian.Uint32(fs.superblock[at:])) }
func (fs *xfs) u64(at int) uint64 { return binary.BigEndian.Uint64(fs.superblock[at:]) }

func openXFS(device io.ReaderAt) (*xfs, error) {
	const sector = 512 // the superblock's own sector may be longer
	fs := &xfs{device: device}
	var err error
	if fs.superblock, err = readPart(device, 0, sector); err != nil {
		return nil, fmt.Errorf("read superblock: %w", err)
	}
	if !isXFS(fs.superblock) {
		return nil, fmt.Errorf("%w: it is not xfs", ErrUnsupported)
	}
	size := fs.u16(xfsSectorSizeAt)
	if size < sector || size > 32<<10 {
		return nil, fmt.Errorf("%w: sectors of %d bytes", ErrDamaged, size)
	}
	if fs.superblock, err = readPart(device, 0, int(size)); err != nil {
		return nil, fmt.Errorf("read superblock: %w", err)
	}
	if err := fs.supported(); err != nil {
		return nil, err
	}
	return fs, fs.layOut()
}

func (fs *xfs) supported() error {
	incompat, readOnly := fs.u32(xfsIncompatAt), fs.u32(xfsReadOnlyAt)
	switch {
	case fs.u16(xfsVersionAt)&0xF != 5:
		return fmt.Errorf("%w: xfs version %d", ErrUnsupported, fs.u16(xfsVersionAt)&0xF)
	case incompat&^xfsIncompatOK != 0:
		return fmt.Errorf("%w: incompatible features %#x", ErrUnsupported, incompat&^xfsIncompatOK)
	case readOnly&^xfsReadOnlyOK != 0:
		return fmt.Errorf("%w: features %#x", ErrUnsupported, readOnly&^xfsReadOnlyOK)
	case fs.u64(xfsRealtimeAt) != 0:
		return fmt.Errorf("%w: it has a realtime device", ErrUnsupported)
	case fs.u32(xfsLogIncompatAt) != 0, fs.u8(xfsInProgressAt) != 0:
		return fmt.Errorf("%w: the journal is in use", ErrUnclean)
	}
	unsummed := slices.Clone(fs.superblock)
	clear(unsummed[xfsChecksumAt:][:4])
	sum := crc32.Checksum(unsummed, crc32.MakeTable(crc32.Castagnoli))
	if sum != binary.LittleEndian.Uint32(fs.superblock[xfsChecksumAt:]) {
		return fmt.Errorf("%w: wrong checksum of the superblock", ErrDamaged)
	}
	return nil
}

// layOut computes the layout and checks all that later arithmetic relies on.
func (fs *xfs) layOut() error {
	fs.blockSize, fs.inodeSize = fs.u32(xfsBlockSizeAt), fs.u16(xfsInodeSizeAt)
	fs.agBlocks, fs.ags = fs.u32(xfsAGBlocksAt), fs.u32(xfsAGsAt)
	fs.inodesInBlock, fs.agBlocksLog = fs.u8(xfsInodesInBlockAt), fs.u8(xfsAGBlocksLogAt)
	switch {
	case fs.u8(xfsBlockLogAt) > 16 || fs.u8(xfsInodeLogAt) > 11 || fs.agBlocksLog > 31,
		fs.blockSize != 1<<fs.u8(xfsBlockLogAt) || fs.blockSize < 1024,
		fs.inodeSize != 1<<fs.u8(xfsInodeLogAt) || fs.inodeSize < 256,
		fs.blockSize != fs.inodeSize<<fs.inodesInBlock,
		fs.agBlocks == 0 || fs.agBlocks > 1<<fs.agBlocksLog || fs.ags == 0,
		fs.u64(xfsFreeInodesAt) > fs.u64(xfsInodesAt):
		return fmt.Errorf("%w: a superblock that makes no sense", ErrDamaged)
	}
	if start := fs.u64(xfsLogStartAt); start != 0 {
		group, block := int64(start>>fs.agBlocksLog), int64(start&(1<<fs.agBlocksLog-1))
		if group >= fs.ags || block+fs.u32(xfsLogBlocksAt) > fs.agBlocks {
			return fmt.Errorf("%w: the journal is out of bounds", ErrDamaged)
		}
		fs.log = Extent{(group*fs.agBlocks + block) * fs.blockSize, fs.u32(xfsLogBlocksAt) * fs.blockSize}
	}
	fs.used = fs.u64(xfsInodesAt) - fs.u64(xfsFreeInodesAt)
	for _, at := range []int{xfsOwnInodesAt, xfsOwnInodesAt + 8, xfsQuotaInodesAt, xfsQuotaInodesAt + 8, xfsProjectQuotaAt} {
		fs.ownInodes = append(fs.ownInodes, fs.u64(at))
	}
	return nil
}

// sameLayout tells whether inodes can be compared place by place. The newer
// filesystem may have been grown.
func (fs *xfs) sameLayout(before *xfs) error {
	switch {
	case !bytes.Equal(fs.superblock[xfsUUIDAt:][:16], before.superblock[xfsUUIDAt:][:16]):
		return fmt.Errorf("%w: they have different UUIDs", ErrUnrelated)
	case fs.blockSize != before.blockSize, fs.inodeSize != before.inodeSize, fs.agBlocks != before.agBlocks,
		fs.agBlocksLog != before.agBlocksLog, fs.log != before.log, fs.ags < before.ags:
		return fmt.Errorf("%w: their geometry differs", ErrUnrelated)
	}
	return nil
}

// number is that of the inode which would lie at a byte offset.
func (fs *xfs) number(offset int64) uint64 {
	block := offset / fs.blockSize
	group, inGroup := uint64(block/fs.agBlocks), uint64(block%fs.agBlocks)
	slot := uint64(offset % fs.blockSize / fs.inodeSize)
	return group<<(fs.agBlocksLog+fs.inodesInBlock) | inGroup<<fs.inodesInBlock | slot
}
