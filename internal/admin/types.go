package admin

import "time"

// Version describes the running daemon.
type Version struct {
	Version   string `json:"version"`
	GitCommit string `json:"git_commit"`
	GoVersion string `json:"go_version"`
	DMDriver  string `json:"dm_driver"`  // the kernel's device-mapper, "4.48.0"
	DMLibrary string `json:"dm_library"` // libdevmapper, "1.02.205 (2025-02-27)"
}

// State says how far the daemon has come.
type State string

// The states of a daemon.
const (
	StateReady   State = "ready"
	StateWaiting State = "waiting for init" // dockerd has not sent Init yet, and no Init is on record
	StateFailed  State = "failed"           // Init or recovery failed; Status.Error says why
)

// Status is the daemon and its pool at one moment. Reading it neither waits for
// a change under way nor commits pool metadata.
type Status struct {
	State     State      `json:"state"`
	Error     string     `json:"error"` // empty unless State is StateFailed
	Pool      PoolStatus `json:"pool"`  // zero values where there is no pool yet
	Layers    int        `json:"layers"`
	Mounted   int        `json:"mounted"`  // layers mounted
	Active    int        `json:"active"`   // thin devices active, mounted or not
	Leaked    []uint32   `json:"leaked"`   // device IDs in the pool that no record names
	Problems  []string   `json:"problems"` // all that is wrong with pool, records and layers, one line each
	Home      string     `json:"home"`     // directory of the mount points, as the daemon sees it
	StateDir  string     `json:"state_dir"`
	StartedAt time.Time  `json:"started_at"`
}

// PoolMode is what the kernel lets a thin pool do.
type PoolMode string

// The modes of a pool, in the kernel's words.
const (
	PoolReadWrite   PoolMode = "rw"
	PoolReadOnly    PoolMode = "ro"
	PoolOutOfData   PoolMode = "out_of_data_space"
	PoolFailed      PoolMode = "Fail"
	PoolModeUnknown PoolMode = ""
)

// Backend is what a pool lies on.
type Backend string

// The backends.
const (
	BackendLoop      Backend = "loop-lvm"
	BackendDirectLVM Backend = "direct-lvm"    // set up by the daemon
	BackendThinPool  Backend = "thin pool"     // made by the operator: dm.thinpooldev
	BackendDevices   Backend = "block devices" // dm.datadev, dm.metadatadev
)

// PoolStatus describes the thin pool. Sizes are bytes.
type PoolStatus struct {
	Name       string  `json:"name"` // device-mapper name
	Backend    Backend `json:"backend"`
	Filesystem string  `json:"filesystem"`
	BlockSize  int64   `json:"block_size"`
	BaseSize   int64   `json:"base_size"` // of a layer made without a size of its own

	DataUsed          int64 `json:"data_used"`
	DataTotal         int64 `json:"data_total"`
	DataAvailable     int64 `json:"data_available"` // less than total - used where the host filesystem is fuller
	MetadataUsed      int64 `json:"metadata_used"`
	MetadataTotal     int64 `json:"metadata_total"`
	MetadataAvailable int64 `json:"metadata_available"`

	TransactionID uint64   `json:"transaction_id"`
	Mode          PoolMode `json:"mode"`
	NeedsCheck    bool     `json:"needs_check"` // the kernel wants thin_check before it writes again

	MinFreeSpace           int64 `json:"min_free_space"` // new layers are refused below this much free data space
	DeferredRemoval        bool  `json:"deferred_removal"`
	DeferredDeletion       bool  `json:"deferred_deletion"`
	DeferredDeletedDevices int   `json:"deferred_deleted_devices"` // waiting to be deleted
	UdevSync               bool  `json:"udev_sync"`

	DataLoopFile     string `json:"data_loop_file"`
	MetadataLoopFile string `json:"metadata_loop_file"`
	DataDevice       string `json:"data_device"`
	MetadataDevice   string `json:"metadata_device"`

	Growth Growth `json:"growth"`
}

// Level says how full a device of the pool is.
type Level string

// The levels, from empty to full. They change a little later on the way down.
const (
	LevelOK       Level = "ok"
	LevelLow      Level = "low"      // above the threshold
	LevelCritical Level = "critical" // nearly full
	LevelFull     Level = "full"     // writes fail or wait
)

// Growth is how the pool's space is watched and what was done about it.
type Growth struct {
	Automatic     bool       `json:"automatic"`  // the daemon adds space by itself
	Threshold     int        `json:"threshold"`  // percent used at which space is added or warned of; 0: never
	DataLevel     Level      `json:"data_level"` // empty where nothing watches
	MetadataLevel Level      `json:"metadata_level"`
	Extensions    int        `json:"extensions"`     // done since the daemon started
	LastExtension *time.Time `json:"last_extension"` // null: none yet
	Failure       string     `json:"failure"`        // why the last one failed, or empty
}

// LayerState is where a layer is in its life.
type LayerState string

// The states of a layer.
const (
	LayerReady     LayerState = "ready"
	LayerPreparing LayerState = "preparing" // its device exists, its filesystem isn't set up yet
	LayerApplying  LayerState = "applying"  // a tar is being unpacked into it, or was when the daemon stopped
)

// MappedUnknown is Layer.Mapped, and Layer.Exclusive, where the daemon couldn't
// read it.
const MappedUnknown int64 = -1

// Layer is one image layer or container.
type Layer struct {
	ID         string     `json:"id"`
	Parent     string     `json:"parent"` // empty: on the base device
	DeviceID   uint32     `json:"device_id"`
	DeviceName string     `json:"device_name"` // device-mapper name, also when not active
	Size       int64      `json:"size"`        // virtual, bytes
	Mapped     int64      `json:"mapped"`      // bytes mapped in the pool, shared ones included; or MappedUnknown
	Exclusive  int64      `json:"exclusive"`   // bytes mapped by no other device: what deleting the layer frees; or MappedUnknown
	Filesystem string     `json:"filesystem"`
	State      LayerState `json:"state"`
	Mounted    bool       `json:"mounted"`
	MountPoint string     `json:"mount_point"` // as the daemon sees it; empty when not mounted
	References int        `json:"references"`  // Gets without their Put
	Busy       bool       `json:"busy"`        // other work holds the layer: what it changes is not filled in
	Problem    string     `json:"problem"`     // why the layer can't be used, or empty
}

// LayerList answers for all layers, sorted by ID.
type LayerList struct {
	Layers []Layer `json:"layers"`
}

// LogLevel is the level of the daemon's log: "error", "warning", "info",
// "debug" or "trace".
type LogLevel struct {
	Level string `json:"level"`
}

// Health answers /healthz and /readyz with "ok".
type Health struct {
	Status string `json:"status"`
}

// ErrorBody is the body of every answer that isn't a success.
type ErrorBody struct {
	Error string    `json:"error"` // one line for a person
	Kind  ErrorKind `json:"kind"`  // for a program
}
