package inodescan

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// A block group's descriptor (Documentation/filesystems/ext4/group_descr.rst).
const (
	groupBitmapLowAt  = 0x04
	groupTableLowAt   = 0x08
	groupFlagsAt      = 0x12
	groupBitmapHighAt = 0x24
	groupTableHighAt  = 0x28

	groupNoInodes = 0x1 // flag: the inode bitmap was never written, none is in use
)

// group is where a block group keeps its inodes.
type group struct {
	table  int64 // byte offset of the inode table
	bitmap int64 // and of the bitmap of inodes in use
	empty  bool  // no inode is in use
}

// readGroups reads all descriptors. They follow the superblock's block. Memory is
// taken as they come: how many there should be is only the superblock's word.
func (fs *ext4) readGroups() ([]group, error) {
	var groups []group
	start := (fs.firstBlock + 1) * fs.blockSize
	for left := fs.groups; left > 0; {
		n := min(left, fs.blockSize/fs.descriptorSize)
		raw, err := readPart(fs.device, start+(fs.groups-left)*fs.descriptorSize, int(n*fs.descriptorSize))
		if err != nil {
			return nil, fmt.Errorf("read group descriptors: %w", err)
		}
		for d := range slices.Chunk(raw, int(fs.descriptorSize)) {
			g, err := fs.parseGroup(d)
			if err != nil {
				return nil, fmt.Errorf("group %d: %w", len(groups), err)
			}
			groups = append(groups, g)
		}
		left -= n
	}
	return groups, nil
}

func (fs *ext4) parseGroup(raw []byte) (group, error) {
	table := int64(binary.LittleEndian.Uint32(raw[groupTableLowAt:]))
	bitmap := int64(binary.LittleEndian.Uint32(raw[groupBitmapLowAt:]))
	if fs.descriptorSize >= 64 {
		table |= int64(binary.LittleEndian.Uint32(raw[groupTableHighAt:])) << 32
		bitmap |= int64(binary.LittleEndian.Uint32(raw[groupBitmapHighAt:])) << 32
	}
	if table <= 0 || table > fs.blocks-fs.tableSize()/fs.blockSize || bitmap <= 0 || bitmap >= fs.blocks {
		return group{}, fmt.Errorf("%w: inode table in block %d, bitmap in block %d of %d", ErrDamaged, table, bitmap, fs.blocks)
	}
	flags := binary.LittleEndian.Uint16(raw[groupFlagsAt:])
	return group{table * fs.blockSize, bitmap * fs.blockSize, flags&groupNoInodes != 0}, nil
}

// tableSize is the length of a group's inode table in bytes.
func (fs *ext4) tableSize() int64 { return fs.inodesPerGroup * fs.inodeSize }

// inUse returns a group's bitmap, a bit for each of its inodes from the lowest
// of the first byte on.
func (fs *ext4) inUse(g group) ([]byte, error) {
	size := int((fs.inodesPerGroup + 7) / 8)
	if g.empty {
		return make([]byte, size), nil
	}
	b, err := readPart(fs.device, g.bitmap, size)
	if err != nil {
		return nil, fmt.Errorf("read inode bitmap: %w", err)
	}
	return b, nil
}
