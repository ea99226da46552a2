package dm

import (
	"fmt"

	"github.com/docker/docker/pkg/devicemapper"
)

// deferredRemoveDriver is the first driver version with DM_DEFERRED_REMOVE
// (Linux 3.13).
var deferredRemoveDriver = [2]int{4, 27}

// Version returns the version of the kernel's device-mapper interface, such as
// "4.48.0". It fails when the kernel has no device-mapper.
func Version() (string, error) {
	lib, err := library()
	return lib.driverVersion, err
}

// LibraryVersion returns the version of libdevmapper, such as
// "1.02.185 (2022-05-18)".
func LibraryVersion() (string, error) {
	return devicemapper.GetLibraryVersion()
}

// UdevSyncSupported reports whether libdevmapper can wait for udev here: the
// kernel has System V semaphores and udevd was running at the first call.
func UdevSyncSupported() bool {
	lib, err := library()
	return err == nil && lib.udevSync
}

// DeferredRemoveSupported reports whether both the kernel and libdevmapper can
// remove a device when its last user closes it.
func DeferredRemoveSupported() (bool, error) {
	version, err := Version()
	if err != nil {
		return false, err
	}
	recent, err := atLeast(version, deferredRemoveDriver)
	return recent && devicemapper.LibraryDeferredRemovalSupport, err
}

// atLeast compares the first two numbers of a driver version.
func atLeast(version string, want [2]int) (bool, error) {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return false, fmt.Errorf("device-mapper driver version %q: %w", version, err)
	}
	return major > want[0] || major == want[0] && minor >= want[1], nil
}
