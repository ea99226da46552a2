package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/dmthin/dmthin/internal/state"
)

// Severity says how bad a finding is.
type Severity int

// The severities, the worst first.
const (
	Error   Severity = iota // something is lost, wrong or unusable
	Warning                 // nothing is lost, somebody should look
)

// Kind names a finding for programs. The texts are a promise.
type Kind string

// The kinds of findings.
const (
	DamagedRecord   Kind = "damaged_record"
	LostDevice      Kind = "lost_device"      // in a record, not in the pool
	LeakedDevice    Kind = "leaked_device"    // in the pool, in no record
	ForeignDevice   Kind = "foreign_device"   // made in another transaction than the record says
	TransactionID   Kind = "transaction_id"   // pool and records are at different ones
	NoBase          Kind = "no_base"          // there is no base device
	MissingParent   Kind = "missing_parent"   // a layer's parent has no record
	WrongSize       Kind = "wrong_size"       // the sizes in a record contradict each other or the pool
	UnfinishedLayer Kind = "unfinished_layer" // its making or unpacking was cut short
	WaitingDeletion Kind = "waiting_deletion" // a removed layer's blocks are not back
	OlderContent    Kind = "older_content"    // a repair took a layer back to an older state
	NeedsCheck      Kind = "needs_check"
	Metadata        Kind = "metadata"   // thin_check's word
	Filesystem      Kind = "filesystem" // fsck's word
	NotChecked      Kind = "not_checked"
)

// Finding is one thing that is wrong.
type Finding struct {
	Severity Severity
	Kind     Kind
	Subject  string // layer ID, record file, "device 17" or "pool"
	Message  string
}

// Device is what the pool knows of one thin device.
type Device struct {
	TransactionID uint64 // of the pool when it was made
	MappedBytes   int64
}

// Pool is what the pool's metadata says.
type Pool struct {
	TransactionID uint64
	NeedsCheck    bool
	Devices       map[uint32]Device
}

// Records is what our files say.
type Records struct {
	state.Records
	Intent    state.Intent
	HasIntent bool
	IntentErr error
	Busy      func(layer string) bool // is somebody at work on it? nil: nobody is
}

// Compare returns all that is wrong between records and pool, the worst first,
// sorted by subject.
func Compare(records Records, pool Pool) []Finding {
	c := comparison{records: records, pool: pool}
	c.whole()
	for name, r := range records.Layers {
		c.layer(name, r)
	}
	c.found = append(c.found, Damaged(records.Records)...)
	for name, r := range records.Tombstones {
		if _, exists := pool.Devices[r.DeviceID]; exists {
			c.add(Warning, WaitingDeletion, name, "the layer is removed, device %d is still in the pool; the daemon deletes it once nobody uses it", r.DeviceID)
		}
	}
	for _, id := range Leaked(records.Records, pool) {
		c.add(Warning, LeakedDevice, deviceName(id), "it is in the pool and in no record that can be read; dmthin gc shows and deletes it")
	}
	Sort(c.found)
	return c.found
}

// Damaged returns what is wrong with records by themselves.
func Damaged(records state.Records) (found []Finding) {
	for name, err := range records.Damaged {
		found = append(found, Finding{Severity: Error, Kind: DamagedRecord, Subject: name, Message: err.Error()})
	}
	return found
}

// Sort puts findings in the order of Compare.
func Sort(findings []Finding) {
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Message, b.Message))
	})
}

// Leaked returns the devices in the pool that no readable record names, in the
// order of their IDs.
func Leaked(records state.Records, pool Pool) []uint32 {
	known := map[uint32]bool{}
	for _, r := range records.Layers {
		known[r.DeviceID] = true
	}
	for _, r := range records.Tombstones {
		known[r.DeviceID] = true
	}
	var leaked []uint32
	for _, id := range slices.Sorted(maps.Keys(pool.Devices)) {
		if !known[id] {
			leaked = append(leaked, id)
		}
	}
	return leaked
}

func deviceName(id uint32) string { return fmt.Sprintf("device %d", id) }

type comparison struct {
	records Records
	pool    Pool
	found   []Finding
}

func (c *comparison) add(s Severity, k Kind, subject, format string, args ...any) {
	c.found = append(c.found, Finding{Severity: s, Kind: k, Subject: subject, Message: fmt.Sprintf(format, args...)})
}

// whole checks what concerns pool and records as a whole.
func (c *comparison) whole() {
	if c.pool.NeedsCheck {
		c.add(Error, NeedsCheck, "pool", "a write of its metadata failed, and the kernel writes no more until thin_check has been run: stop the daemon, then dmthin repair")
	}
	c.transaction()
	base, ok := c.records.Layers[state.BaseName]
	switch _, damaged := c.records.Damaged[state.BaseName]; {
	case !ok && !damaged && len(c.records.Layers) > 0:
		c.add(Error, NoBase, state.BaseName, "there is no record of the base device: restore the records from a backup (dmthin restore)")
	case ok && !base.Initialized:
		c.add(Warning, UnfinishedLayer, state.BaseName, "the base device was never formatted to its end; the next start of the daemon makes it anew")
	}
}

// transaction allows for an open change: an intent is one ahead of the pool
// while its change is under way, and after one that failed.
func (c *comparison) transaction() {
	intent := c.records.Intent.OpenTransactionID
	switch {
	case c.records.IntentErr != nil:
		c.add(Error, DamagedRecord, "transaction-metadata", "%v", c.records.IntentErr)
	case !c.records.HasIntent && c.pool.TransactionID != 0:
		c.add(Error, TransactionID, "pool", "the pool is at transaction %d, and there is no record of any", c.pool.TransactionID)
	case c.records.HasIntent && intent != c.pool.TransactionID && intent != c.pool.TransactionID+1:
		c.add(Error, TransactionID, "pool", "the pool is at transaction %d, the records at %d: one of them was restored from a backup or belongs elsewhere", c.pool.TransactionID, intent)
	}
}

func (c *comparison) layer(name string, r state.Record) {
	d, exists := c.pool.Devices[r.DeviceID]
	switch {
	case !exists:
		c.add(Error, LostDevice, name, "device %d is not in the pool: the content is lost; remove the layer, then pull or build it again", r.DeviceID)
	case d.TransactionID+1 != r.TransactionID:
		c.add(Error, ForeignDevice, name, "device %d was made in transaction %d, the record says %d: it is not the device that the record was written for", r.DeviceID, d.TransactionID+1, r.TransactionID)
	}
	c.sizes(name, r, d)
	if r.Stage != state.StageReady && !c.busy(name) {
		c.add(Warning, UnfinishedLayer, name, "it is marked %q and nobody is at work on it: it can't be used; remove it, then pull or build it again", r.Stage)
	}
	if _, ok := c.records.Layers[r.Parent]; r.Parent != "" && !ok {
		c.add(Warning, MissingParent, name, "its parent %s has no record; its content is whole, but docker can't tell what it changed", r.Parent)
	}
}

func (c *comparison) busy(name string) bool { return c.records.Busy != nil && c.records.Busy(name) }

// sizes takes into account that a layer which was made smaller than the base
// device keeps the blocks behind its end.
func (c *comparison) sizes(name string, r state.Record, d Device) {
	if r.Limit > r.Size {
		c.add(Error, WrongSize, name, "its quota of %d bytes is above its size of %d", r.Limit, r.Size)
	}
	if most := max(r.Size, c.records.Layers[state.BaseName].Size); d.MappedBytes > roundUp(most) {
		c.add(Error, WrongSize, name, "device %d has %d bytes mapped, more than its size of %d", r.DeviceID, d.MappedBytes, r.Size)
	}
}

// roundUp allows for the last block of a device, which may be cut. Blocks are
// 1 GiB at most.
func roundUp(size int64) int64 { return size + 1<<30 }
