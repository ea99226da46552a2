package dm

/*
#include <libdevmapper.h>
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
)

// CreateOptions modifies Create.
type CreateOptions struct {
	ReadOnly bool
	Udev     UdevWait
}

// Create makes a device under dev.Name with the UUID dev.UUID, and makes it
// live with table. What fails midway is undone. A name or UUID in use is EBUSY.
//
// When only the wait for udevd fails (ErrUdevTimeout, or the context ended) the
// device stays, and its Info comes with the error.
func Create(ctx context.Context, dev ID, table []Target, opts CreateOptions) (Info, error) {
	info, event, err := CreateAhead(dev, table, opts)
	if err != nil {
		return Info{}, err
	}
	return info, event.Wait(ctx)
}

// CreateAhead is Create that leaves the wait for udevd to its caller.
func CreateAhead(dev ID, table []Target, opts CreateOptions) (Info, Event, error) {
	if err := dev.Validate(); err != nil {
		return Info{}, Event{}, err
	}
	if err := register(dev); err != nil {
		return Info{}, Event{}, err
	}
	// libdevmapper can do these steps in one task, but then loses the errno.
	if err := load(dev, table, opts.ReadOnly); err != nil {
		return Info{}, Event{}, undoCreate(dev, err)
	}
	event, err := announced(opts.Udev.possible(), func(cookie uint16) error { return resume(dev, cookie) })
	if err != nil {
		return Info{}, Event{}, undoCreate(dev, err)
	}
	info, err := Lookup(dev)
	if err != nil {
		return Info{}, Event{}, errors.Join(err, event.Wait(context.Background()))
	}
	return info, event, nil
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
