package inodescan

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// The superblock of ext4 (Documentation/filesystems/ext4/super.rst): little
// endian, at byte 1024 of the device.
const (
	extSuperblockAt   = 1024
	extSuperblockSize = 1024

	extInodesAt         = 0x00
	extBlocksLowAt      = 0x04
	extFreeInodesAt     = 0x10
	extFirstBlockAt     = 0x14
	extLogBlockSizeAt   = 0x18
	extBlocksPerGroupAt = 0x20
	extInodesPerGroupAt = 0x28
	extMagicAt          = 0x38
	extStateAt          = 0x3A
	extFirstInodeAt     = 0x54
	extInodeSizeAt      = 0x58
	extCompatAt         = 0x5C
	extIncompatAt       = 0x60
	extReadOnlyAt       = 0x64
	extUUIDAt           = 0x68
	extDescriptorSizeAt = 0xFE
	extBlocksHighAt     = 0x150
	extProjectQuotaAt   = 0x26C
	extOrphanFileAt     = 0x280
	extChecksumAt       = 0x3FC

	extMagic     = 0xEF53
	extErrorFlag = 0x2 // in the state: the kernel found an error
)

// What may be in use besides. Features not named here move inode tables, put
// inodes elsewhere, or are not known to be harmless.
const (
	extRecover     = 0x4
	ext64Bit       = 0x80
	extIncompatOK  = 0x2 | 0x40 | ext64Bit | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 // filetype, extents, 64bit, flex_bg, ea_inode, csum_seed, largedir, inline_data
	extChecksums   = 0x400
	extOrphansFlag = 0x10000
	extReadOnlyOK  = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x100 | extChecksums | 0x2000 // sparse_super, large_file, btree_dir, huge_file, gdt_csum, dir_nlink, extra_isize, quota, metadata_csum, project
)

// maxGroups bounds what a superblock can make us read: 128 TiB in usual groups.
const maxGroups = 1 << 20

// ext4 is the layout of one ext4 filesystem.
type ext4 struct {
	device     io.ReaderAt
	superblock []byte

	blockSize      int64
	blocks         int64
	firstBlock     int64 // the one group 0 begins with
	blocksPerGroup int64
	groups         int64
	inodesPerGroup int64
	inodeSize      int64
	descriptorSize int64
	firstInode     uint64 // those before are the filesystem's own
	used           uint64 // inodes
}

func isExt4(head []byte) bool {
	return binary.LittleEndian.Uint16(head[extSuperblockAt+extMagicAt:]) == extMagic
}

func (fs *ext4) u16(at int) int64 { return int64(binary.LittleEndian.Uint16(fs.superblock[at:])) }
func (fs *ext4) u32(at int) int64 { return int64(binary.LittleEndian.Uint32(fs.superblock[at:])) }

func openExt4(device io.ReaderAt) (*ext4, error) {
	superblock, err := readPart(device, extSuperblockAt, extSuperblockSize)
	if err != nil {
		return nil, fmt.Errorf("read superblock: %w", err)
	}
	fs := &ext4{device: device, superblock: superblock}
	if fs.u16(extMagicAt) != extMagic {
		return nil, fmt.Errorf("%w: it is not ext4", ErrUnsupported)
	}
	if err := fs.supported(); err != nil {
		return nil, err
	}
	return fs, fs.layOut()
}

func (fs *ext4) supported() error {
	incompat, readOnly := fs.u32(extIncompatAt), fs.u32(extReadOnlyAt)
	switch {
	case fs.u16(extStateAt)&extErrorFlag != 0:
		return fmt.Errorf("%w: the kernel found errors", ErrUnclean)
	case incompat&extRecover != 0:
		return fmt.Errorf("%w: the journal is in use", ErrUnclean)
	case readOnly&extOrphansFlag != 0:
		return fmt.Errorf("%w: there are orphaned inodes", ErrUnclean)
	case incompat&^extIncompatOK != 0:
		return fmt.Errorf("%w: incompatible features %#x", ErrUnsupported, incompat&^extIncompatOK)
	case readOnly&^extReadOnlyOK != 0:
		return fmt.Errorf("%w: features %#x", ErrUnsupported, readOnly&^extReadOnlyOK)
	}
	if readOnly&extChecksums != 0 {
		sum := ^crc32.Checksum(fs.superblock[:extChecksumAt], crc32.MakeTable(crc32.Castagnoli))
		if int64(sum) != fs.u32(extChecksumAt) {
			return fmt.Errorf("%w: wrong checksum of the superblock", ErrDamaged)
		}
	}
	return nil
}

// layOut computes the layout and checks all that later arithmetic relies on.
func (fs *ext4) layOut() error {
	if fs.u32(extLogBlockSizeAt) > 6 {
		return fmt.Errorf("%w: block size 1024 << %d", ErrDamaged, fs.u32(extLogBlockSizeAt))
	}
	fs.blockSize = 1024 << fs.u32(extLogBlockSizeAt)
	fs.blocks = fs.u32(extBlocksLowAt)
	fs.descriptorSize = 32
	if fs.u32(extIncompatAt)&ext64Bit != 0 {
		fs.blocks |= fs.u32(extBlocksHighAt) << 32
		fs.descriptorSize = fs.u16(extDescriptorSizeAt)
	}
	fs.firstBlock = fs.u32(extFirstBlockAt)
	fs.blocksPerGroup, fs.inodesPerGroup = fs.u32(extBlocksPerGroupAt), fs.u32(extInodesPerGroupAt)
	fs.inodeSize = fs.u16(extInodeSizeAt)
	fs.firstInode = uint64(fs.u32(extFirstInodeAt))
	switch {
	case fs.inodeSize < 128 || fs.inodeSize > fs.blockSize || fs.inodeSize&(fs.inodeSize-1) != 0,
		fs.descriptorSize < 32 || fs.descriptorSize > fs.blockSize || fs.descriptorSize&(fs.descriptorSize-1) != 0,
		fs.blocksPerGroup == 0 || fs.blocksPerGroup > 8*fs.blockSize,
		fs.inodesPerGroup == 0 || fs.inodesPerGroup > 8*fs.blockSize || fs.inodesPerGroup*fs.inodeSize%fs.blockSize != 0,
		fs.firstBlock > 1 || fs.blocks <= fs.firstBlock || fs.blocks > maxGroups*fs.blocksPerGroup:
		return fmt.Errorf("%w: a superblock that makes no sense", ErrDamaged)
	}
	fs.groups = (fs.blocks - fs.firstBlock + fs.blocksPerGroup - 1) / fs.blocksPerGroup
	if fs.groups*fs.inodesPerGroup != fs.u32(extInodesAt) || fs.u32(extFreeInodesAt) > fs.u32(extInodesAt) {
		return fmt.Errorf("%w: %d inodes, %d of them free, in %d groups", ErrDamaged, fs.u32(extInodesAt), fs.u32(extFreeInodesAt), fs.groups)
	}
	fs.used = uint64(fs.u32(extInodesAt) - fs.u32(extFreeInodesAt))
	return nil
}

// sameLayout tells whether inode tables can be compared place by place. The
// newer filesystem may have been grown.
func (fs *ext4) sameLayout(before *ext4) error {
	switch {
	case !bytes.Equal(fs.superblock[extUUIDAt:][:16], before.superblock[extUUIDAt:][:16]):
		return fmt.Errorf("%w: they have different UUIDs", ErrUnrelated)
	case fs.blockSize != before.blockSize, fs.firstBlock != before.firstBlock, fs.inodeSize != before.inodeSize,
		fs.blocksPerGroup != before.blocksPerGroup, fs.inodesPerGroup != before.inodesPerGroup,
		fs.descriptorSize != before.descriptorSize, fs.groups < before.groups:
		return fmt.Errorf("%w: their geometry differs", ErrUnrelated)
	}
	return nil
}

// own tells inodes that no name leads to from those of users. The top folder is
// the only user's among the reserved ones.
func (fs *ext4) own(number uint64) bool {
	const top = 2
	return number < fs.firstInode && number != top ||
		number == uint64(fs.u32(extProjectQuotaAt)) || number == uint64(fs.u32(extOrphanFileAt))
}
