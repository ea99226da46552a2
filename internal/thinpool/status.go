package thinpool

import "fmt"

// Mode is what the kernel lets a pool do.
type Mode string

// The modes, in the kernel's words. A pool whose metadata device is full shows
// as ModeReadOnly.
const (
	ModeReadWrite      Mode = "rw"
	ModeReadOnly       Mode = "ro"
	ModeOutOfDataSpace Mode = "out_of_data_space"
	ModeFailed         Mode = "Fail"
)

// Status is what a pool reports. In ModeFailed the kernel reports nothing but
// the mode.
type Status struct {
	TransactionID uint64

	// Blocks of 4 KiB. The kernel counts a reserve as used: 16 MiB, or a tenth
	// of a small metadata device.
	MetadataUsed, MetadataTotal uint64
	MetadataLowWater            uint64 // free blocks at which the kernel raises its event; 0: not told (before Linux 5.0)

	DataUsed, DataTotal uint64 // blocks of BlockSize
	BlockSize           int64  // bytes

	HeldRoot        uint64 // block of the reserved metadata snapshot; 0: none
	Mode            Mode
	DiscardPassdown bool
	ErrorIfNoSpace  bool
	NeedsCheck      bool
}

// Check returns nil when the pool can be changed, and otherwise one of
// ErrNeedsCheck, ErrOutOfDataSpace, ErrReadOnly and ErrFailed, with what to do. A
// pool that is read-only for lack of metadata is ErrOutOfMetadataSpace too.
func (s Status) Check() error {
	switch {
	case s.Mode == ModeFailed:
		return fmt.Errorf("%w: the metadata device can be neither written nor read; see the kernel log, mend or replace the disk, then stop Docker and the daemon, and run dmthin repair (on LVM's pools lvconvert --repair)", ErrFailed)
	case s.NeedsCheck:
		return fmt.Errorf("%w: a write to the metadata device failed; see the kernel log, then stop Docker and the daemon, and run dmthin repair (on LVM's pools lvconvert --repair)", ErrNeedsCheck)
	case s.Mode == ModeOutOfDataSpace:
		return fmt.Errorf("%w (%d of %d blocks of %d bytes used): remove layers or grow the data device", ErrOutOfDataSpace, s.DataUsed, s.DataTotal, s.BlockSize)
	case s.Mode == ModeReadOnly && s.MetadataFull():
		return fmt.Errorf("%w, %w (%d of %d blocks of 4096 bytes used): grow the metadata, by dmthin resize --metadata SIZE in loop files, by lvextend --poolmetadatasize in LVM's pools", ErrReadOnly, ErrOutOfMetadataSpace, s.MetadataUsed, s.MetadataTotal)
	case s.Mode == ModeReadOnly:
		return fmt.Errorf("%w (%d of %d metadata blocks of 4096 bytes used): see the kernel log", ErrReadOnly, s.MetadataUsed, s.MetadataTotal)
	case s.Mode == ModeReadWrite:
		return nil
	}
	return fmt.Errorf("%w: its mode is unknown (%q)", ErrFailed, s.Mode)
}

// MetadataFull tells a pool that is read-only for lack of metadata, which more
// metadata heals, from one that is for another reason.
func (s Status) MetadataFull() bool {
	return !s.NeedsCheck && s.MetadataTotal > 0 && s.MetadataUsed >= s.MetadataTotal
}
