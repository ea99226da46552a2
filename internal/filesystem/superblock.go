package filesystem

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// Offsets of the on-disk formats: Documentation/filesystems/ext4/super.rst
// (little endian, relative to the superblock at byte 1024) and the XFS
// Algorithms & Data Structures manual (big endian).
const (
	superblockRead = 4096

	xfsMagic      = "XFSB"
	xfsUUIDOffset = 32

	extSuperblock      = 1024
	extMagicOffset     = 0x38
	extMagic           = 0xEF53
	extUUIDOffset      = 0x68
	extBlocksLow       = 0x04
	extBlocksHigh      = 0x150
	extFreeLow         = 0x0C
	extFreeHigh        = 0x158
	extLogBlockSize    = 0x18
	extFeatureCompat   = 0x5C
	extHasJournal      = 0x4
	extOrphanFile      = 0x1000
	extJournalType     = 0xFD // 1: extJournalBackup is valid
	extJournalSizeLow  = 0x10C + 16*4
	extJournalSizeHigh = 0x10C + 15*4
	extOverhead        = 0x248
)

// Probe tells the filesystem on a device by its superblock. The error is
// ErrNoFilesystem when there is none of ours.
func Probe(device string) (Type, error) {
	b, err := readSuperblock(device)
	if err != nil {
		return "", err
	}
	t, ok := typeOf(b)
	if !ok {
		return "", fmt.Errorf("probe %s: %w", device, ErrNoFilesystem)
	}
	return t, nil
}

// UUID returns the filesystem's UUID in the form blkid prints.
func UUID(_ context.Context, device string) (string, error) {
	b, err := readSuperblock(device)
	if err != nil {
		return "", err
	}
	s, err := ParseSuperblock(b)
	if err != nil {
		return "", fmt.Errorf("read uuid of %s: %w", device, err)
	}
	return s.UUID, nil
}

func readSuperblock(device string) ([]byte, error) {
	f, err := os.Open(device)
	if err != nil {
		return nil, fmt.Errorf("read superblock: %w", err)
	}
	defer f.Close()
	b := make([]byte, superblockRead)
	if _, err := io.ReadFull(f, b); err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, fmt.Errorf("read superblock: %w", err)
	}
	return b, nil
}

func typeOf(b []byte) (Type, bool) {
	switch {
	case string(b[:4]) == xfsMagic:
		return XFS, true
	case binary.LittleEndian.Uint16(b[extSuperblock+extMagicOffset:]) == extMagic:
		return Ext4, true
	default:
		return "", false
	}
}

// extGeometry is what shrinking needs to know of an ext4 filesystem. The
// counts are current only while it is unmounted and clean.
type extGeometry struct {
	blockSize int64
	blocks    int64
	free      int64
	overhead  int64 // blocks of static metadata, the journal included; 0: not recorded
	journal   int64 // bytes; -1: there is one of unknown size
	orphan    bool  // has an orphan file (e2fsprogs 1.47 and later make one)
}

func readExtGeometry(device string) (extGeometry, error) {
	b, err := readSuperblock(device)
	if err != nil {
		return extGeometry{}, err
	}
	if t, ok := typeOf(b); !ok || t != Ext4 {
		return extGeometry{}, fmt.Errorf("read superblock of %s: no ext4 filesystem: %w", device, ErrNoFilesystem)
	}
	s := b[extSuperblock:]
	u32 := func(offset int) int64 { return int64(binary.LittleEndian.Uint32(s[offset:])) }
	g := extGeometry{
		blockSize: 1024 << u32(extLogBlockSize),
		blocks:    u32(extBlocksHigh)<<32 | u32(extBlocksLow),
		free:      u32(extFreeHigh)<<32 | u32(extFreeLow),
		overhead:  u32(extOverhead),
	}
	g.orphan = u32(extFeatureCompat)&extOrphanFile != 0
	switch {
	case u32(extFeatureCompat)&extHasJournal == 0:
	case s[extJournalType] == 1:
		g.journal = u32(extJournalSizeHigh)<<32 | u32(extJournalSizeLow)
	default:
		g.journal = -1
	}
	return g, nil
}

// content is the number of bytes in files and directories.
func (g extGeometry) content() int64 {
	return max(0, g.blocks-g.free-g.overhead) * g.blockSize
}
