package inodescan

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
)

// An inode (Documentation/filesystems/ext4/inodes.rst).
const (
	extModeAt        = 0x00
	extAccessTimeAt  = 0x08
	extLinksAt       = 0x1A
	extChecksumLowAt = 0x7C
	extExtraSizeAt   = 0x80
	extChecksumHiAt  = 0x82
	extAccessExtraAt = 0x8C

	extOldInode = 128 // the size of those without extra fields

	formatMask = 0xF000 // of the mode
	formatDir  = 0x4000
)

// scanPiece is how much of each device is read at once.
const scanPiece = 256 << 10

// ext4Scan compares the inode tables of two ext4 filesystems.
type ext4Scan struct {
	before, after *ext4
	tables        int64 // groups that the older filesystem has
	old, now      []byte
	result        Result
}

func scanExt4(ctx context.Context, before, after io.ReaderAt, changed []Extent) (Result, error) {
	s, groups, err := openExt4Scan(before, after)
	if err != nil {
		return Result{}, err
	}
	for i, g := range groups {
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		if err := s.group(int64(i), g, changed); err != nil {
			return Result{}, fmt.Errorf("inode table %d: %w", i, err)
		}
	}
	return s.result, nil
}

func openExt4Scan(before, after io.ReaderAt) (*ext4Scan, []group, error) {
	was, err := openExt4(before)
	if err != nil {
		return nil, nil, fmt.Errorf("the parent: %w", err)
	}
	is, err := openExt4(after)
	if err != nil {
		return nil, nil, err
	}
	if err := is.sameLayout(was); err != nil {
		return nil, nil, err
	}
	oldGroups, err := was.readGroups()
	if err != nil {
		return nil, nil, fmt.Errorf("the parent: %w", err)
	}
	groups, err := is.readGroups()
	if err != nil {
		return nil, nil, err
	}
	for i, g := range oldGroups {
		if g.table != groups[i].table {
			return nil, nil, fmt.Errorf("%w: inode table %d was moved", ErrUnrelated, i)
		}
	}
	s := &ext4Scan{
		before: was, after: is, tables: was.groups,
		old: make([]byte, scanPiece), now: make([]byte, scanPiece),
		result: Result{Used: is.used},
	}
	return s, groups, nil
}

// group looks at what changed in one group's inode table.
func (s *ext4Scan) group(index int64, g group, changed []Extent) error {
	table := Extent{g.table, s.after.tableSize()}
	var inUse []byte // read at the first difference
	return intersect(changed, table, scanPiece, func(e Extent) error {
		old, now := s.old[:e.Length], s.now[:e.Length]
		if err := s.read(index, e, old, now); err != nil {
			return err
		}
		if bytes.Equal(old, now) {
			return nil
		}
		if inUse == nil {
			var err error
			if inUse, err = s.after.inUse(g); err != nil {
				return err
			}
		}
		first := (e.Offset - g.table) / s.after.inodeSize
		s.compare(index*s.after.inodesPerGroup, first, old, now, inUse)
		return nil
	})
}

// read reads a part of a table on both sides. Tables that the older filesystem
// doesn't have count as empty there.
func (s *ext4Scan) read(index int64, e Extent, old, now []byte) error {
	if err := readFull(s.after.device, now, e.Offset); err != nil {
		return err
	}
	if index >= s.tables {
		clear(old)
		return nil
	}
	return readFull(s.before.device, old, e.Offset)
}

// compare takes parts of the inode table of a group whose first inode has the
// number base+1; they begin with the inode first of that table.
func (s *ext4Scan) compare(base, first int64, old, now, inUse []byte) {
	size := s.after.inodeSize
	for i := range int64(len(now)) / size {
		a, b := old[i*size:][:size], now[i*size:][:size]
		slot := first + i
		if bytes.Equal(a, b) || inUse[slot/8]>>(slot%8)&1 == 0 {
			continue
		}
		number := uint64(base + slot + 1)
		if s.after.own(number) || bytes.Equal(withoutAccess(a), withoutAccess(b)) {
			continue
		}
		s.result.Inodes = append(s.result.Inodes, Inode{
			Number: number,
			Links:  uint32(binary.LittleEndian.Uint16(b[extLinksAt:])),
			Dir:    binary.LittleEndian.Uint16(b[extModeAt:])&formatMask == formatDir,
		})
	}
}

// withoutAccess blanks, in place, what reading a file changes: the time and with
// it the checksum. It takes nothing that matters from inodes with other content.
func withoutAccess(inode []byte) []byte {
	clear(inode[extAccessTimeAt:][:4])
	clear(inode[extChecksumLowAt:][:2])
	if len(inode) > extOldInode {
		extra := int(binary.LittleEndian.Uint16(inode[extExtraSizeAt:]))
		blankExtra(inode, extra, extChecksumHiAt, 2)
		blankExtra(inode, extra, extAccessExtraAt, 4)
	}
	return inode
}

// blankExtra clears a field if the inode is large enough to have it; else
// extended attributes may lie there.
func blankExtra(inode []byte, extra, at, size int) {
	if at+size <= extOldInode+extra && at+size <= len(inode) {
		clear(inode[at:][:size])
	}
}
