package dm

/*
#include <stdlib.h>
#include <libdevmapper.h>
*/
import "C"

import (
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// udevFlags go with every event we cause. udevd is to make the symlink in
// /dev/mapper and nothing else: without these flags it runs blkid on each
// layer, which costs time and holds the device open (a remove then fails with
// EBUSY). DISABLE_LIBRARY_FALLBACK keeps libdevmapper from making nodes: it
// would queue them in a global list that has no lock, and devtmpfs has made
// /dev/dm-N already.
const udevFlags = C.DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG |
	C.DM_UDEV_DISABLE_DISK_RULES_FLAG |
	C.DM_UDEV_DISABLE_OTHER_RULES_FLAG |
	C.DM_UDEV_DISABLE_LIBRARY_FALLBACK

// task is one call to the kernel's driver. run reports what setters refused.
type task struct {
	ptr    *C.struct_dm_task
	failed bool  // a setter refused its argument
	err    Error // what a failure is reported as
}

func newTask(kind C.int, op string, dev ID) (*task, error) {
	if _, err := library(); err != nil {
		return nil, err
	}
	t := &task{err: Error{Op: op, Device: dev.String()}}
	if t.ptr = C.dm_task_create(kind); t.ptr == nil {
		return nil, t.fail(unix.ENOMEM)
	}
	switch {
	case dev.UUID != "":
		t.withString(dev.UUID, func(s *C.char) C.int { return C.dm_task_set_uuid(t.ptr, s) })
	case dev.Name != "":
		t.setName(dev.Name)
	}
	return t, nil
}

func (t *task) destroy() { C.dm_task_destroy(t.ptr) }

func (t *task) setName(name string) {
	// libdevmapper would take it for a path and look for the device behind it.
	t.failed = t.failed || strings.Contains(name, "/")
	t.withString(name, func(s *C.char) C.int { return C.dm_task_set_name(t.ptr, s) })
}

func (t *task) setMessage(message string) {
	t.err.Detail = message
	t.withString(message, func(s *C.char) C.int { return C.dm_task_set_message(t.ptr, s) })
	t.check(C.dm_task_set_sector(t.ptr, 0))
}

func (t *task) addTarget(target Target) {
	kind, params := C.CString(target.Type), C.CString(target.Params)
	defer C.free(unsafe.Pointer(kind))
	defer C.free(unsafe.Pointer(params))
	if t.err.Detail == "" {
		t.err.Detail = target.Type + " " + target.Params
	}
	t.check(C.dm_task_add_target(t.ptr, C.uint64_t(target.Start), C.uint64_t(target.Length), kind, params))
}

// setUdev says how udevd is to treat the event of this task. base identifies
// the semaphore on which it reports back; 0 asks for no report.
func (t *task) setUdev(base uint16) {
	var none C.uint32_t
	// With synchronisation off this only marks the task as carrying flags.
	t.check(C.dm_task_set_cookie(t.ptr, &none, udevFlags))
	// The environment variable DM_DISABLE_UDEV makes libdevmapper alter the
	// flags it was given; set them once more, now with the cookie.
	t.check(C.dm_task_set_event_nr(t.ptr, udevFlags<<C.DM_UDEV_FLAGS_SHIFT|C.uint32_t(base)))
	t.check(C.dm_task_set_add_node(t.ptr, C.DM_ADD_NODE_ON_CREATE))
}

func (t *task) withString(s string, set func(*C.char) C.int) {
	cs := C.CString(s)
	defer C.free(unsafe.Pointer(cs))
	t.check(set(cs))
}

func (t *task) check(ok C.int) { t.failed = t.failed || ok == 0 }

// run makes the call.
func (t *task) run() error {
	if t.failed {
		return t.fail(unix.EINVAL)
	}
	if C.dm_task_run(t.ptr) == 0 {
		return t.fail(syscall.Errno(C.dm_task_get_errno(t.ptr)))
	}
	return nil
}

func (t *task) fail(errno syscall.Errno) error {
	err := t.err
	err.Errno = errno
	return &err
}

// runTask makes a task, lets prepare fill it in, and runs it.
func runTask(kind C.int, op string, dev ID, prepare func(*task)) error {
	t, err := newTask(kind, op, dev)
	if err != nil {
		return err
	}
	defer t.destroy()
	if prepare != nil {
		prepare(t)
	}
	return t.run()
}
