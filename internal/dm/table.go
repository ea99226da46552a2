package dm

/*
#include <libdevmapper.h>

static const char *next_version(struct dm_versions *v, struct dm_versions **next)
{
	*next = v->next ? (struct dm_versions *) ((char *) v + v->next) : NULL;
	return v->name;
}
*/
import "C"

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Target is one line of a device's table or status. Start and Length are in
// sectors of 512 bytes.
type Target struct {
	Start, Length uint64
	Type          string
	Params        string
}

// Table returns the live table. Devices in it are written major:minor.
func Table(dev ID) ([]Target, error) {
	return targets(C.DM_DEVICE_TABLE, "table", dev, false)
}

// Status returns what each target reports. Without noFlush a thin pool commits
// its metadata first: polling must not do that.
func Status(dev ID, noFlush bool) ([]Target, error) {
	return targets(C.DM_DEVICE_STATUS, "status", dev, noFlush)
}

func targets(kind C.int, op string, dev ID, noFlush bool) ([]Target, error) {
	t, err := newTask(kind, op, dev)
	if err != nil {
		return nil, err
	}
	defer t.destroy()
	if noFlush {
		t.check(C.dm_task_no_flush(t.ptr))
	}
	if err := t.run(); err != nil {
		return nil, err
	}
	// libdevmapper takes ENXIO of a status for an answer.
	if info, err := t.info(); err != nil || !info.Exists {
		return nil, t.fail(unix.ENXIO)
	}
	var table []Target
	var next unsafe.Pointer
	for {
		var start, length C.uint64_t
		var kind, params *C.char
		next = C.dm_get_next_target(t.ptr, next, &start, &length, &kind, &params)
		if kind != nil {
			table = append(table, Target{uint64(start), uint64(length), C.GoString(kind), C.GoString(params)})
		}
		if next == nil {
			return table, nil
		}
	}
}

// TargetVersions returns the versions of the target types that the kernel has
// loaded. One that is missing may still be a module, loaded on first use.
func TargetVersions() (map[string][3]uint32, error) {
	t, err := newTask(C.DM_DEVICE_LIST_VERSIONS, "list target versions", ID{})
	if err != nil {
		return nil, err
	}
	defer t.destroy()
	if err := t.run(); err != nil {
		return nil, err
	}
	versions := make(map[string][3]uint32)
	for entry := C.dm_task_get_versions(t.ptr); entry != nil; {
		var next *C.struct_dm_versions
		name := C.GoString(C.next_version(entry, &next))
		v := entry.version
		versions[name] = [3]uint32{uint32(v[0]), uint32(v[1]), uint32(v[2])}
		entry = next
	}
	return versions, nil
}
