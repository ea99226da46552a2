package filesystem

import (
	"encoding/binary"
	"fmt"
)

// Where the superblocks say how the filesystem was left; see superblock.go for
// the sources.
const (
	extStateOffset = 0x3A
	extStateErrors = 0x2 // the kernel found damage, and no fsck came after
	extIncompat    = 0x60
	extRecover     = 0x4 // the journal was not replayed
	xfsVersion     = 0x64
	xfsInProgress  = 0x7E
	xfsIncompat    = 0xD8
	xfsNeedsRepair = 1 << 4
	xfsVersionMask = 0xF
	xfsVersionFive = 5
)

// SuperblockSize is how much of a filesystem's beginning ParseSuperblock wants,
// in bytes.
const SuperblockSize = superblockRead

// Superblock is what a filesystem says of itself.
type Superblock struct {
	Type   Type
	UUID   string // in the form blkid prints
	Replay bool   // ext4: its journal is to be replayed, as after a crash; of xfs see XFSLogClean
	Damage bool   // it was found damaged, or never made to its end
}

// ParseSuperblock reads the first SuperblockSize bytes of a filesystem. The
// error is ErrNoFilesystem when they are none of ours.
func ParseSuperblock(b []byte) (Superblock, error) {
	if len(b) < SuperblockSize {
		return Superblock{}, fmt.Errorf("superblock of %d bytes: %w", len(b), ErrNoFilesystem)
	}
	t, ok := typeOf(b)
	if !ok {
		return Superblock{}, ErrNoFilesystem
	}
	s := Superblock{Type: t}
	if t == Ext4 {
		ext := b[extSuperblock:]
		s.UUID = formatUUID(ext[extUUIDOffset:][:16])
		s.Replay = binary.LittleEndian.Uint32(ext[extIncompat:])&extRecover != 0
		s.Damage = binary.LittleEndian.Uint16(ext[extStateOffset:])&extStateErrors != 0
		return s, nil
	}
	s.UUID = formatUUID(b[xfsUUIDOffset:][:16])
	five := binary.BigEndian.Uint16(b[xfsVersion:])&xfsVersionMask == xfsVersionFive
	s.Damage = b[xfsInProgress] != 0 || five && binary.BigEndian.Uint32(b[xfsIncompat:])&xfsNeedsRepair != 0
	return s, nil
}

func formatUUID(u []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
