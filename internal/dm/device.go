package dm

/*
#include <libdevmapper.h>
*/
import "C"

import (
	"context"
	"sync"

	"golang.org/x/sys/unix"
)

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
	Udev UdevWait
}

// Remove removes a device. EBUSY: something has it open; ENXIO: it is gone.
func Remove(ctx context.Context, dev ID, opts RemoveOptions) error {
	_, err := withUdev(ctx, opts.Udev.possible(), func(cookie uint16) error {
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
