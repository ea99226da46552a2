package dm

/*
#include "udev.h"
*/
import "C"

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// udevTimeout is far above what udevd needs (milliseconds; on a loaded
	// host a second) and below what dockerd's callers notice as a hang.
	udevTimeout = 10 * time.Second
	// udevPoll bounds how long a cancelled context goes unnoticed.
	udevPoll = 50 * time.Millisecond
)

// cookie is a System V semaphore on which udevd reports that it is through
// with an event. The kernel puts base into the event's DM_COOKIE, and udev's
// rules run `dmsetup udevcomplete` with it, which counts the semaphore down.
//
// libdevmapper has the same, behind a switch that is global to the process and
// a wait without limit; hence our own.
type cookie struct {
	base  uint16
	semid C.int
	note  string // file that names the semaphore, or empty
}

// newCookie makes a semaphore for one event, with a note of it where there is a
// folder for that.
func newCookie(notes string) (*cookie, error) {
	// 16 bits name the semaphore, for everyone on this host. Taken ones are
	// skipped; 100 in a row say that the table is full of leaked ones.
	for range 100 {
		base := uint16(rand.Uint32N(1<<16-1) + 1)
		semid := C.udev_semaphore_create(C.uint16_t(base))
		if semid >= 0 {
			c := &cookie{base: base, semid: semid}
			c.noteIn(notes)
			return c, nil
		}
		if errno := syscall.Errno(-semid); errno != unix.EEXIST {
			return nil, fmt.Errorf("semaphore for udevd: %w (see `ipcs -s` and /proc/sys/kernel/sem)", errno)
		}
	}
	return nil, fmt.Errorf("semaphore for udevd: %w (`dmsetup udevcomplete_all` removes leaked ones)", unix.EEXIST)
}

func (c *cookie) destroy() {
	C.udev_semaphore_destroy(c.semid)
	if c.note != "" {
		_ = os.Remove(c.note)
	}
}

// wait returns when udevd has reported, after udevTimeout, or when ctx ends.
func (c *cookie) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, udevTimeout, ErrUdevTimeout)
	defer cancel()
	for {
		errno := syscall.Errno(-C.udev_semaphore_wait(c.semid, C.long(udevPoll.Milliseconds())))
		switch {
		case errno == 0, errno == unix.EIDRM, errno == unix.EINVAL:
			return nil // EIDRM and EINVAL: an operator ran `dmsetup udevcomplete_all`
		case errno != unix.EAGAIN && errno != unix.EINTR:
			return fmt.Errorf("wait for udevd: %w", errno)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wait for udevd: %w", context.Cause(ctx))
		}
	}
}

// UdevWait says whether udevd is waited for.
type UdevWait struct {
	// Wait makes the call return only when udevd has made the device's symlink in
	// /dev/mapper, or removed it. Where no udevd runs there is nothing to wait for.
	Wait bool
	// Notes is the folder that RemoveNoted looks into, or empty.
	Notes string
}

// possible is w where udevd can be waited for.
func (w UdevWait) possible() UdevWait {
	w.Wait = w.Wait && UdevSyncSupported()
	return w
}

// withUdev runs call and, if asked to, waits until udevd is through with the
// event it caused. ran says that call itself succeeded.
func withUdev(ctx context.Context, wait UdevWait, call func(cookie uint16) error) (ran bool, err error) {
	event, err := announced(wait, call)
	if err != nil {
		return false, err
	}
	return true, event.Wait(ctx)
}

// Event is one that udevd is told of.
type Event struct{ cookie *cookie }

// announced runs call, with a cookie if udevd is to be waited for.
func announced(wait UdevWait, call func(cookie uint16) error) (Event, error) {
	if !wait.Wait {
		return Event{}, call(0)
	}
	c, err := newCookie(wait.Notes)
	if err != nil {
		return Event{}, err
	}
	if err := call(c.base); err != nil {
		c.destroy()
		return Event{}, err
	}
	return Event{c}, nil
}

// Wait returns when udevd is through with the event. It must be called once, or a
// semaphore stays behind. ErrUdevTimeout: udevd took more than ten seconds.
func (e Event) Wait(ctx context.Context) error {
	if e.cookie == nil {
		return nil
	}
	defer e.cookie.destroy()
	return e.cookie.wait(ctx)
}
