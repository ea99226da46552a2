package dm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// armPoll is DM_DEV_ARM_POLL: from now on the descriptor is readable when an
// event comes. libdevmapper has the call too, but for its one descriptor, on
// which every other call of the process runs.
const armPoll = 0xC138FD10

// ioctlHeader is struct dm_ioctl of linux/dm-ioctl.h.
type ioctlHeader struct {
	version     [3]uint32
	dataSize    uint32
	dataStart   uint32
	targetCount uint32
	openCount   int32
	flags       uint32
	eventNr     uint32
	_           uint32
	dev         uint64
	name        [MaxNameLen + 1]byte
	uuid        [MaxUUIDLen + 1]byte
	_           [7]byte
}

// Events tells when anything happened to any device-mapper device of this host:
// a target raised an event, or a device was made, renamed or removed. It does
// not tell what, and counts nothing: look at the devices you care about.
type Events struct {
	control *os.File
	raw     syscall.RawConn
	closed  atomic.Bool

	waiting sync.Mutex // one Wait at a time: its deadline is the descriptor's
}

// OpenEvents starts listening. What happens after it makes the next Wait
// return, so look at the devices once between the two.
//
// It needs Linux 4.14 (device-mapper 4.37): ENOTTY before that.
func OpenEvents() (_ *Events, err error) {
	f, err := os.OpenFile(controlNode, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("listen for device-mapper events: %w (load the kernel module dm_mod, run as root)", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close() // nothing was written
		}
	}()
	e := &Events{control: f}
	if e.raw, err = f.SyscallConn(); err != nil {
		return nil, fmt.Errorf("listen for device-mapper events: %w", err)
	}
	if err := e.arm(); err != nil {
		return nil, err
	}
	return e, nil
}

// Wait returns when something has happened since OpenEvents or since the last
// Wait returned. It has then begun to listen anew, so that nothing is missed
// while the caller looks. It fails only when ctx ends (with its cause) or after
// Close (os.ErrClosed).
func (e *Events) Wait(ctx context.Context) error {
	e.waiting.Lock()
	defer e.waiting.Unlock()
	if err := e.poll(ctx); err != nil {
		return err
	}
	return e.arm()
}

func (e *Events) poll(ctx context.Context) error {
	if err := e.control.SetReadDeadline(time.Time{}); err != nil {
		return e.failed(err)
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = e.control.SetReadDeadline(time.Unix(1, 0)) // fails after Close, which ends the wait too
	})
	var pollErr error
	err := e.raw.Read(func(fd uintptr) bool {
		var ready bool
		ready, pollErr = readable(fd)
		return ready || pollErr != nil
	})
	if !stop() {
		<-interrupted // or it would hit the next Wait
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.Cause(ctx)
	}
	return e.failed(errors.Join(err, pollErr))
}

// failed adds to an error what was tried. The error of a file that Close has
// closed is one that package os keeps to itself.
func (e *Events) failed(err error) error {
	if err != nil && e.closed.Load() {
		err = os.ErrClosed
	}
	if err != nil {
		return fmt.Errorf("wait for device-mapper events: %w", err)
	}
	return nil
}

// readable asks without waiting: Go's poller is edge-triggered.
func readable(fd uintptr) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 0)
		if !errors.Is(err, unix.EINTR) {
			return n > 0, err
		}
	}
}

func (e *Events) arm() error {
	header := ioctlHeader{version: [3]uint32{4, 37, 0}}
	header.dataSize = uint32(unsafe.Sizeof(header))
	header.dataStart = header.dataSize
	var errno syscall.Errno
	err := e.raw.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, armPoll, uintptr(unsafe.Pointer(&header)))
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return e.failed(err)
}

// Close ends a Wait under way.
func (e *Events) Close() error {
	e.closed.Store(true)
	return e.control.Close()
}
