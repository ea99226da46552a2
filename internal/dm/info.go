package dm

/*
#include <libdevmapper.h>

static const char *next_name(struct dm_names *names, struct dm_names **next)
{
	*next = names->next ? (struct dm_names *) ((char *) names + names->next) : NULL;
	return names->name;
}
*/
import "C"

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Info is what the driver knows of a device.
type Info struct {
	Exists bool
	Name   string
	UUID   string

	Major, Minor   uint32
	OpenCount      int    // mounts, holders and open descriptors
	EventNr        uint32 // grows with every event of the device
	LiveTable      bool   // false: made, but no table was ever resumed
	InactiveTable  bool   // a reloaded table waits for Resume
	Suspended      bool
	ReadOnly       bool
	DeferredRemove bool // goes away when OpenCount falls to 0
}

// Lookup reads a device's state. A device that isn't there is no error: Exists
// is false.
func Lookup(dev ID) (Info, error) {
	t, err := newTask(C.DM_DEVICE_INFO, "info", dev)
	if err != nil {
		return Info{}, err
	}
	defer t.destroy()
	if err := t.run(); err != nil {
		return Info{}, err
	}
	return t.info()
}

// LookupNumber reads the state of the device with this number, whatever its
// name.
func LookupNumber(major, minor uint32) (Info, error) {
	t, err := newTask(C.DM_DEVICE_INFO, "info", ID{})
	if err != nil {
		return Info{}, err
	}
	defer t.destroy()
	t.err.Device = fmt.Sprintf("%d:%d", major, minor)
	t.check(C.dm_task_set_major_minor(t.ptr, C.int(major), C.int(minor), 0))
	if err := t.run(); err != nil {
		return Info{}, err
	}
	return t.info()
}

func (t *task) info() (Info, error) {
	var c C.struct_dm_info
	if C.dm_task_get_info(t.ptr, &c) == 0 {
		return Info{}, t.fail(0)
	}
	if c.exists == 0 {
		return Info{}, nil
	}
	return Info{
		Exists:         true,
		Name:           C.GoString(C.dm_task_get_name(t.ptr)),
		UUID:           C.GoString(C.dm_task_get_uuid(t.ptr)),
		Major:          uint32(c.major),
		Minor:          uint32(c.minor),
		OpenCount:      int(c.open_count),
		EventNr:        uint32(c.event_nr),
		LiveTable:      c.live_table != 0,
		InactiveTable:  c.inactive_table != 0,
		Suspended:      c.suspended != 0,
		ReadOnly:       c.read_only != 0,
		DeferredRemove: c.deferred_remove != 0,
	}, nil
}

// listing keeps List to one at a time: it alone outgrows libdevmapper's first
// buffer, and each that does doubles the size for all later calls.
var listing sync.Mutex

// List returns the names of all devices, ours and others.
func List() ([]string, error) {
	listing.Lock()
	defer listing.Unlock()
	t, err := newTask(C.DM_DEVICE_LIST, "list", ID{})
	if err != nil {
		return nil, err
	}
	defer t.destroy()
	if err := t.run(); err != nil {
		return nil, err
	}
	var names []string
	entry := C.dm_task_get_names(t.ptr)
	if entry == nil || entry.dev == 0 { // no device at all
		return nil, nil
	}
	for entry != nil {
		var next *C.struct_dm_names
		names = append(names, C.GoString(C.next_name(entry, &next)))
		entry = next
	}
	return names, nil
}

// Path returns the device's node. devtmpfs makes it before Create returns.
func (i Info) Path() string { return fmt.Sprintf("/dev/dm-%d", i.Minor) }

// CheckNode makes sure that Path is this device. In a container it is only with
// the host's /dev.
func (i Info) CheckNode() error {
	var st unix.Stat_t
	if err := unix.Stat(i.Path(), &st); err != nil {
		return fmt.Errorf("node of device %s: %s: %w (is the host's devtmpfs mounted on /dev?)", i.Name, i.Path(), err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK || st.Rdev != unix.Mkdev(i.Major, i.Minor) {
		return fmt.Errorf("node of device %s: %s is not block device %d:%d (is the host's devtmpfs mounted on /dev?)", i.Name, i.Path(), i.Major, i.Minor)
	}
	return nil
}
