package metrics

import (
	"context"
	"time"
)

// View is the daemon as it is now.
type View interface {
	// Metrics returns a Snapshot, or an error while there is no pool; of the
	// Snapshot only Recovery is looked at then. It must not wait for layers at
	// work: Prometheus gives up after seconds.
	Metrics(ctx context.Context) (Snapshot, error)
}

// Unknown stands for a number that nobody can tell here. Its metric is left
// out.
const Unknown = -1

// Snapshot is what is read at a scrape.
type Snapshot struct {
	Pool       Pool
	Space      Space
	Layers     Layers
	Extensions Extensions
	Recovery   Recovery
}

// Pool is what the kernel tells of the pool.
type Pool struct {
	Name       string // device-mapper name
	Backend    string // loop-lvm, direct-lvm …
	Filesystem string // ext4 or xfs

	Mode           Mode
	NeedsCheck     bool
	ErrorIfNoSpace bool // writes to a full pool fail at once instead of waiting
	TransactionID  uint64
	BlockSize      int64 // bytes
}

// Mode is the pool's mode in the kernel's words, except for a failed one.
type Mode string

// The modes.
const (
	ModeReadWrite      Mode = "rw"
	ModeReadOnly       Mode = "ro"
	ModeOutOfDataSpace Mode = "out_of_data_space"
	ModeFailed         Mode = "failed"
)

var modes = []Mode{ModeReadWrite, ModeReadOnly, ModeOutOfDataSpace, ModeFailed}

// Space is in bytes. Thresholds are of free space.
type Space struct {
	DataUsed, DataSize, DataLowWater             int64
	MetadataUsed, MetadataSize, MetadataLowWater int64
	MinFree                                      int64 // of data; below it no new layer is made
	HostFree                                     int64 // of the filesystem below loop devices; Unknown without them
	FullSince                                    time.Time
}

// Layers counts what the daemon keeps.
type Layers struct {
	Layers, ActiveDevices, Mounts int
	DeferredDeletions             int // removed layers whose devices wait to be deleted
	LeakedDevices                 int // in the pool, in no record
	Problems                      int // what `dmthin status` lists
}

// Extensions tells of the pool's growth since the process started.
type Extensions struct {
	Done, Failed int
	LastDone     time.Time // zero: never
	Failing      bool      // the last one failed, and space is still short
	Threshold    int       // percent used from which the pool is extended; Unknown where nobody does
	Reserve      int64     // bytes left to extend by; or Unknown
}

// Recovery is how the last start came to terms with what it found; "" before
// there was one.
type Recovery string

// The outcomes of a recovery.
const (
	RecoveryClean   Recovery = "clean"   // nothing was under way
	RecoveryUndone  Recovery = "undone"  // a half-made layer was removed again
	RecoveryRedone  Recovery = "redone"  // a removal was finished
	RecoveryRefused Recovery = "refused" // pool and records disagree
)

var recoveries = []Recovery{RecoveryClean, RecoveryUndone, RecoveryRedone, RecoveryRefused}
