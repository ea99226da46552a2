package monitor

import (
	"time"

	"github.com/dmthin/dmthin/internal/thinpool"
)

// Unknown stands for bytes that nobody can tell.
const Unknown = -1

// State is what the monitor found when it last looked.
type State struct {
	CheckedAt time.Time // zero before the first look
	Problem   string    // why the pool can't be changed whatever space there is; "" if it can

	Pool           thinpool.Status
	Data, Metadata Space
	FullSince      time.Time // zero while there is room for data and metadata

	HostFree  int64 // bytes of the filesystem below loop devices; Unknown without one
	HostLevel Level

	Extensions Extensions
}

// Extensions tells of the pool's growth since the process started.
type Extensions struct {
	Possible     bool // there is someone to extend the pool
	Done, Failed int
	LastDone     time.Time // zero: never
	LastFailed   time.Time // zero: never
	Failure      string    // why the last one failed; "" once one has worked or none is needed
	Reserve      int64     // bytes left to extend by; Unknown until asked, and without a Grower
}

// full reports that a write to the pool finds no room.
func full(s thinpool.Status) bool { return dataFull(s) || s.MetadataFull() }

// dataFull can't go by the mode alone: a full pool is in mode rw until a write
// fails, and again after its table was reloaded.
func dataFull(s thinpool.Status) bool {
	return s.Mode == thinpool.ModeOutOfDataSpace || s.DataTotal > 0 && s.DataUsed >= s.DataTotal
}

// broken reports that space would not help.
func broken(s thinpool.Status) bool {
	readOnly := s.Mode == thinpool.ModeReadOnly && !s.MetadataFull()
	return s.Mode == thinpool.ModeFailed || s.NeedsCheck || readOnly
}

// above reports that more than percent of data or metadata is used, as LVM
// compares it. In the edge case of equality it would not extend the pool.
func above(s thinpool.Status, percent int) bool {
	over := func(used, total uint64) bool { return used*100 > total*uint64(percent) }
	return over(s.DataUsed, s.DataTotal) || over(s.MetadataUsed, s.MetadataTotal)
}

func dataSpace(s thinpool.Status) Space {
	return Space{Used: int64(s.DataUsed) * s.BlockSize, Total: int64(s.DataTotal) * s.BlockSize}
}

func metadataSpace(s thinpool.Status) Space {
	return Space{Used: int64(s.MetadataUsed) * metadataBlock, Total: int64(s.MetadataTotal) * metadataBlock}
}

// metadataBlock is dm-thin's, in bytes.
const metadataBlock = 4096

// Where the host's filesystem gets short, in bytes. A pool on loop devices can
// use it up, whatever size the pool has.
const (
	hostLow      = 2 << 30 // the low water mark of Docker's driver
	hostCritical = 512 << 20
	hostFull     = 16 << 20
)

// hostLevel is the level of the host's filesystem that had level before.
func hostLevel(free int64, before Level) Level {
	begins := []int64{LevelLow: hostLow, LevelCritical: hostCritical, LevelFull: hostFull}
	level := LevelOK
	for l := LevelLow; l <= LevelFull; l++ {
		from := begins[l]
		if before >= l {
			from += from / 8
		}
		if free < from {
			level = l
		}
	}
	return level
}
