package dm

/*
#cgo pkg-config: devmapper
#include <libdevmapper.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/docker/docker/pkg/devicemapper"
	"golang.org/x/sys/unix"
)

const controlNode = "/dev/mapper/control"

// libdm holds what is found out once, before the first call.
type libdm struct {
	driverVersion string
	udevSync      bool // libdevmapper could wait for udev: semaphores work and udevd runs
}

// library prepares libdevmapper and settles everything that it keeps in
// unlocked globals: the control descriptor, the driver's version, whether udev
// runs, and that it is not to wait for udev by itself. Later calls only read
// those, which is what lets them run side by side.
//
// The result is final, failure included: libdevmapper does not look for the
// driver a second time either.
var library = sync.OnceValues(func() (libdm, error) {
	// libdevmapper opens the control node without O_CLOEXEC. No program may
	// be started between that and setting the flag.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()

	installLog()
	C.dm_hold_control_dev(1)
	lib := libdm{udevSync: devicemapper.UdevSetSyncSupport(true)}
	devicemapper.UdevSetSyncSupport(false)

	version, err := devicemapper.GetDriverVersion()
	if err != nil {
		return libdm{}, unavailable()
	}
	lib.driverVersion = version
	if err := closeOnExec(controlNode); err != nil {
		return libdm{}, fmt.Errorf("mark %s close-on-exec: %w", controlNode, err)
	}
	return lib, nil
})

// unavailable finds the reason that libdevmapper keeps to itself.
func unavailable() error {
	f, err := os.OpenFile(controlNode, os.O_RDWR, 0)
	if err == nil {
		_ = f.Close()
		err = errors.New("the kernel did not tell its driver's version")
	}
	return fmt.Errorf("device-mapper is not available: %w (load the kernel module dm_mod, run as root, then restart)", err)
}

// closeOnExec sets FD_CLOEXEC on every descriptor of this process that is open
// on path.
func closeOnExec(path string) error {
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err != nil || target != path {
			continue // the descriptor that ReadDir itself used is gone by now
		}
		var fd int
		if _, err := fmt.Sscan(entry.Name(), &fd); err != nil {
			return err
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return err
		}
	}
	return nil
}
