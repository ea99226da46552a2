package state

import (
	"fmt"
	"strconv"
	"strings"
)

// Names in the metadata directory that are not layers.
const (
	BaseName       = "base" // the base device's record
	deviceSetName  = "deviceset-metadata"
	intentName     = "transaction-metadata"
	tombstoneInfix = "-deleted-"
)

// Stage says how far a layer has got. Docker's driver ignores the key.
type Stage string

// The stages. A layer in any but StageReady holds content nobody was promised.
const (
	StageReady     Stage = ""
	StagePreparing Stage = "preparing" // made, its filesystem not yet resized
	StageApplying  Stage = "applying"  // being filled from a tar
)

// Record is one thin device as written to metadata/<name>. The first five keys
// are Docker's.
type Record struct {
	DeviceID      uint32 `json:"device_id"`
	Size          int64  `json:"size"` // bytes
	TransactionID uint64 `json:"transaction_id"`
	Initialized   bool   `json:"initialized"` // base device only: it holds a filesystem
	Deleted       bool   `json:"deleted"`     // its layer is gone, its blocks are not yet

	Parent string `json:"parent,omitempty"`
	Stage  Stage  `json:"stage,omitempty"`
	Root   string `json:"root,omitempty"`  // folder of the device that is the layer; empty means rootfs
	Limit  int64  `json:"limit,omitempty"` // bytes enforced by a project quota; 0 for none
	Kept   bool   `json:"kept,omitempty"`  // an operator made it: no clean-up removes it because Docker doesn't know it
	UUID   string `json:"uuid,omitempty"`  // base device only: its filesystem's, as in the device set
}

// RootDir returns the folder of the device that holds the layer.
func (r Record) RootDir() string {
	if r.Root == "" {
		return "rootfs"
	}
	return r.Root
}

// Intent announces the next change of the pool before it is made. The change is
// whole once the pool's transaction ID equals OpenTransactionID.
type Intent struct {
	OpenTransactionID uint64   `json:"open_transaction_id"`
	Name              string   `json:"device_hash"`
	DeviceID          uint32   `json:"device_id"`
	Op                IntentOp `json:"op,omitempty"` // empty in intents that Docker wrote
}

// IntentOp is what an intent is about to do.
type IntentOp string

// The two changes a pool knows.
const (
	OpCreate IntentOp = "create"
	OpDelete IntentOp = "delete"
)

// DeviceSet is what concerns all layers.
type DeviceSet struct {
	NextDeviceID   uint32 `json:"next_device_id"`
	BaseUUID       string `json:"BaseDeviceUUID"`
	BaseFilesystem string `json:"BaseDeviceFilesystem"`
}

// TombstoneName is where the record of a removed layer waits until its blocks
// are back in the pool. Docker's driver would read it as a layer waiting for
// deferred deletion, which it is.
func TombstoneName(name string, deviceID uint32) string {
	return name + tombstoneInfix + strconv.FormatUint(uint64(deviceID), 10)
}

// IsTombstone tells a tombstone's name from a layer's.
func IsTombstone(name string) bool {
	at := strings.LastIndex(name, tombstoneInfix)
	if at < 0 {
		return false
	}
	number := name[at+len(tombstoneInfix):]
	return number != "" && strings.Trim(number, "0123456789") == ""
}

// CheckName refuses layer names that can't be a record's file name or that
// have a meaning of their own in the metadata directory.
func CheckName(name string) error {
	switch {
	case name == "", name == BaseName, name == deviceSetName, name == intentName:
		return fmt.Errorf("layer ID %q is reserved", name)
	case strings.HasPrefix(name, "."), strings.HasSuffix(name, ".migrated"), IsTombstone(name):
		return fmt.Errorf("layer ID %q is reserved", name)
	case strings.ContainsAny(name, "/\x00"), len(name) > 200:
		return fmt.Errorf("layer ID %.40q can't be a file name", name)
	}
	return nil
}
