package admin

import "time"

// Severity says how bad a finding is.
type Severity string

// The severities of a finding.
const (
	SeverityError   Severity = "error"   // something is lost, wrong or unusable
	SeverityWarning Severity = "warning" // nothing is lost, somebody should look
)

// Finding is one thing that a check found.
type Finding struct {
	Severity Severity `json:"severity"`
	Kind     string   `json:"kind"`    // for a program: "lost_device", "leaked_device", …
	Subject  string   `json:"subject"` // layer, record file, or "device 17", "pool"
	Message  string   `json:"message"` // one line for a person
}

// CheckRequest says what to check besides records and pool metadata.
type CheckRequest struct {
	Filesystems bool     `json:"filesystems"`
	Layers      []string `json:"layers"` // whose filesystems; empty: all
}

// CheckReport is what a check looked at and what it found.
type CheckReport struct {
	Online             bool      `json:"online"` // done by the daemon on a live pool
	TransactionID      uint64    `json:"transaction_id"`
	Layers             int       `json:"layers"`  // records compared
	Devices            int       `json:"devices"` // thin devices in the pool
	MetadataChecked    bool      `json:"metadata_checked"`
	FilesystemsChecked int       `json:"filesystems_checked"`
	Findings           []Finding `json:"findings"` // errors first
}

// CollectRequest names what may go. The daemon leaves alone what is in use,
// younger than MinAge, or the parent of a layer that stays.
type CollectRequest struct {
	Layers        []string `json:"layers"` // whole IDs, children before their parents
	Leaked        bool     `json:"leaked"` // also all devices in the pool that no record names
	MinAgeSeconds int64    `json:"min_age_seconds"`
	Delete        bool     `json:"delete"` // false: only say what would go
}

// Garbage is one layer or leaked device. Exactly one of Layer and Leaked is set.
type Garbage struct {
	Layer    string `json:"layer"`
	Leaked   bool   `json:"leaked"`
	DeviceID uint32 `json:"device_id"`
	Mapped   int64  `json:"mapped"`  // bytes, shared ones included; or MappedUnknown
	Deleted  bool   `json:"deleted"` // it is gone; its blocks follow in the background
	Kept     string `json:"kept"`    // why it stays; empty: it goes, or would
}

// CollectReport answers CollectRequest, in the order of the work.
type CollectReport struct {
	Garbage []Garbage `json:"garbage"`
}

// TrimRequest says what to trim: the layers named, every layer that is mounted,
// the free space of the pool itself.
type TrimRequest struct {
	Layers []string `json:"layers"`
	All    bool     `json:"all"`
	Pool   bool     `json:"pool"`
}

// Trimmed is one trimmed layer.
type Trimmed struct {
	Layer string `json:"layer"`
	Bytes int64  `json:"bytes"` // free in its filesystem and discarded
	Error string `json:"error"` // why it was not trimmed, or empty
}

// TrimReport answers TrimRequest.
type TrimReport struct {
	Layers    []Trimmed `json:"layers"`
	PoolBytes int64     `json:"pool_bytes"` // free in the pool and discarded below it
	Freed     int64     `json:"freed"`      // bytes of the pool's data space given back
}

// ResizeRequest wants larger devices, in bytes; 0 leaves a device as it is.
type ResizeRequest struct {
	Data     int64 `json:"data"`
	Metadata int64 `json:"metadata"`
}

// ResizeReport is the pool's size before and after, in bytes.
type ResizeReport struct {
	DataBefore     int64 `json:"data_before"`
	Data           int64 `json:"data"`
	MetadataBefore int64 `json:"metadata_before"`
	Metadata       int64 `json:"metadata"`
}

// SnapshotRequest makes a layer that Docker knows nothing of.
type SnapshotRequest struct {
	ID     string `json:"id"`
	Parent string `json:"parent"` // whole ID; empty: the base device
}

// HoldRequest wants a layer's device kept active.
type HoldRequest struct {
	Write bool `json:"write"` // else the device is mounted for reading only
}

// Held is a layer kept active and mounted until its Release or the daemon's end.
type Held struct {
	ID         string `json:"id"`
	Device     string `json:"device"`     // /dev/dm-N
	Filesystem string `json:"filesystem"` // ext4 or xfs
	Root       string `json:"root"`       // folder of the filesystem that is the layer
}

// Done answers work that has nothing to tell.
type Done struct {
	Status string `json:"status"` // "ok"
}

// BackupManifest describes a backup of the records. It is the first file of
// the archive.
type BackupManifest struct {
	Format        int               `json:"format"` // 1
	Made          time.Time         `json:"made"`
	PoolID        string            `json:"pool_id"`
	TransactionID uint64            `json:"transaction_id"` // of the pool when the backup was made
	BaseUUID      string            `json:"base_uuid"`
	Files         map[string]string `json:"files"` // SHA-256 by path
}
