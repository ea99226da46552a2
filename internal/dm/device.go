package dm

/*
#include <libdevmapper.h>
*/
import "C"

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Longest name and UUID that the kernel stores, in bytes.
const (
	MaxNameLen = 127
	MaxUUIDLen = 128
)

// ID addresses a device. When UUID is set the kernel looks the device up by
// it, and Name only serves error texts: a call then can't hit another device
// that has taken the name in the meantime.
type ID struct {
	Name string
	UUID string
}

func (id ID) String() string {
	if id.Name != "" {
		return id.Name
	}
	return id.UUID
}

// Validate reports names and UUIDs that libdevmapper would refuse, cut or
// rewrite with escapes.
func (id ID) Validate() error {
	if id.Name == "" || id.Name == "." || id.Name == ".." {
		return fmt.Errorf("%q is no name for a device", id.Name)
	}
	if len(id.Name) > MaxNameLen || len(id.UUID) > MaxUUIDLen {
		return fmt.Errorf("device name %q or UUID %q is longer than %d or %d bytes", id.Name, id.UUID, MaxNameLen, MaxUUIDLen)
	}
	for _, s := range []string{id.Name, id.UUID} {
		if i := strings.IndexFunc(s, escaped); i >= 0 {
			return fmt.Errorf("device name or UUID %q holds %q: only letters, digits and #+-.:=@_ are possible", s, s[i])
		}
	}
	return nil
}

// escaped reports what libdevmapper writes as \xNN in names.
func escaped(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !letter && !strings.ContainsRune("#+-.:=@_", r)
}

// CreateOptions modifies Create.
type CreateOptions struct {
	ReadOnly bool
	// WaitUdev makes the call return only when udevd has made the symlink in
	// /dev/mapper. Where no udevd runs there is nothing to wait for.
	WaitUdev bool
}

// Create makes a device under dev.Name with the UUID dev.UUID, and makes it
// live with table. What fails midway is undone. A name or UUID in use is EBUSY.
//
// When only the wait for udevd fails (ErrUdevTimeout, or the context ended) the
// device stays, and its Info comes with the error.
func Create(ctx context.Context, dev ID, table []Target, opts CreateOptions) (Info, error) {
	if err := dev.Validate(); err != nil {
		return Info{}, err
	}
	if err := register(dev); err != nil {
		return Info{}, err
	}
	// libdevmapper can do these steps in one task, but then loses the errno.
	if err := load(dev, table, opts.ReadOnly); err != nil {
		return Info{}, undoCreate(dev, err)
	}
	wait := opts.WaitUdev && UdevSyncSupported()
	live, err := withUdev(ctx, wait, func(cookie uint16) error {
		return resume(dev, cookie)
	})
	if err != nil && !live {
		return Info{}, undoCreate(dev, err)
	}
	info, lookupErr := Lookup(dev)
	if lookupErr != nil {
		return Info{}, lookupErr
	}
	return info, err
}

// register makes the device without a table.
func register(dev ID) error {
	return runTask(C.DM_DEVICE_CREATE, "create", ID{Name: dev.Name}, func(t *task) {
		if dev.UUID != "" {
			t.withString(dev.UUID, func(s *C.char) C.int { return C.dm_task_set_uuid(t.ptr, s) })
		}
		t.setUdev(0)
	})
}

func undoCreate(dev ID, cause error) error {
	if err := Remove(context.Background(), dev, RemoveOptions{}); err != nil {
		return fmt.Errorf("%w; undoing the creation failed too: %w", cause, err)
	}
	return cause
}

// Reload gives a device a second table, which Resume makes the live one.
func Reload(dev ID, table []Target) error { return load(dev, table, false) }

func load(dev ID, table []Target, readOnly bool) error {
	return runTask(C.DM_DEVICE_RELOAD, "load", dev, func(t *task) {
		if readOnly {
			t.check(C.dm_task_set_ro(t.ptr))
		}
		for _, target := range table {
			t.addTarget(target)
		}
	})
}

// Clear drops a table that Reload left and no Resume has taken up.
func Clear(dev ID) error {
	return runTask(C.DM_DEVICE_CLEAR, "clear", dev, nil)
}

// SuspendOptions modifies Suspend.
type SuspendOptions struct {
	NoFlush    bool // leave I/O in flight queued instead of finishing it
	SkipLockfs bool // don't freeze a filesystem mounted from the device
}

// Suspend stops a device's I/O: it freezes the filesystem mounted from it and
// waits for I/O in flight, as long as that takes. A suspended device is left as
// it is.
func Suspend(dev ID, opts SuspendOptions) error {
	return runTask(C.DM_DEVICE_SUSPEND, "suspend", dev, func(t *task) {
		if opts.NoFlush {
			t.check(C.dm_task_no_flush(t.ptr))
		}
		if opts.SkipLockfs {
			t.check(C.dm_task_skip_lockfs(t.ptr))
		}
	})
}

// Resume takes up a reloaded table, if there is one, and lets I/O go on. An
// active device is left as it is.
func Resume(dev ID) error { return resume(dev, 0) }

func resume(dev ID, cookie uint16) error {
	return runTask(C.DM_DEVICE_RESUME, "resume", dev, func(t *task) { t.setUdev(cookie) })
}

// RemoveOptions modifies Remove.
type RemoveOptions struct {
	WaitUdev bool // return only when udevd has removed the symlink
}

// Remove removes a device. EBUSY: something has it open; ENXIO: it is gone.
func Remove(ctx context.Context, dev ID, opts RemoveOptions) error {
	wait := opts.WaitUdev && UdevSyncSupported()
	_, err := withUdev(ctx, wait, func(cookie uint16) error {
		return runTask(C.DM_DEVICE_REMOVE, "remove", dev, func(t *task) { t.setUdev(cookie) })
	})
	return err
}

// RemoveDeferred removes a device now, or has the kernel do it when the last
// user closes it.
func RemoveDeferred(dev ID) error {
	return runTask(C.DM_DEVICE_REMOVE, "remove deferred", dev, func(t *task) {
		t.check(C.dm_task_deferred_remove(t.ptr))
		t.setUdev(0)
	})
}

// CancelDeferredRemove takes RemoveDeferred back. ENXIO: the device is gone;
// EBUSY: the kernel is removing it right now.
func CancelDeferredRemove(dev ID) error { return Message(dev, "@cancel_deferred_remove") }

// Message sends a message to the device's target at sector 0. Messages that
// begin with @ are for the driver itself.
func Message(dev ID, message string) error {
	return runTask(C.DM_DEVICE_TARGET_MSG, "message", dev, func(t *task) { t.setMessage(message) })
}

// renaming guards libdevmapper's list of node operations: a rename puts one
// there whatever the flags say, and nothing else of ours does.
var renaming sync.Mutex

// Rename gives a device another name. EBUSY: the name is taken. The kernel
// takes the old name only, never a UUID.
func Rename(oldName, newName string) error {
	if err := (ID{Name: newName}).Validate(); err != nil {
		return err
	}
	renaming.Lock()
	defer renaming.Unlock()
	// Drops the operation just queued; the flags say that udevd does it.
	defer C.dm_task_update_nodes()
	return runTask(C.DM_DEVICE_RENAME, "rename", ID{Name: oldName}, func(t *task) {
		t.err.Detail = newName
		t.withString(newName, func(s *C.char) C.int { return C.dm_task_set_newname(t.ptr, s) })
		t.setUdev(0)
	})
}

// SetUUID gives a UUID to a device that was made without one. EINVAL: it has
// one already.
func SetUUID(name, uuid string) error {
	if uuid == "" {
		return &Error{Op: "set uuid", Device: name, Errno: unix.EINVAL}
	}
	if err := (ID{Name: name, UUID: uuid}).Validate(); err != nil {
		return err
	}
	return runTask(C.DM_DEVICE_RENAME, "set uuid", ID{Name: name}, func(t *task) {
		t.err.Detail = uuid
		t.withString(uuid, func(s *C.char) C.int { return C.dm_task_set_newuuid(t.ptr, s) })
		t.setUdev(0)
	})
}
