package dm

/*
#include "udev.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A semaphore outlives a process that is killed while it waits for udevd. So there
// may be a folder of notes, of one process at a time, where each is named for as
// long as there is one. Notes are not synced, since a semaphore doesn't outlive the
// kernel either.

// noteFormat has the boot, the base and the semaphore's ID.
const noteFormat = "%s %d %d\n"

// noteIn leaves a note. Without one all that is lost is the clean-up after a kill,
// so that what it fails with is nobody's concern.
func (c *cookie) noteIn(folder string) {
	boot, err := BootID()
	if folder == "" || err != nil {
		return
	}
	c.note = filepath.Join(folder, fmt.Sprint(c.base))
	_ = os.WriteFile(c.note, fmt.Appendf(nil, noteFormat, boot, c.base, c.semid), 0o600)
}

// BootID tells this boot of the host from all others.
func BootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot ID: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// RemoveNoted makes the folder of notes where there is none, and removes the
// semaphores and notes that a killed process left. Whoever uses the folder must be
// the only one to.
func RemoveNoted(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make the folder of notes for udevd: %w", err)
	}
	notes, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, note := range notes {
		if err := errors.Join(removeSemaphore(note), os.Remove(note)); err != nil {
			errs = append(errs, fmt.Errorf("remove the semaphore noted in %s: %w", note, err))
		}
	}
	return errors.Join(errs...)
}

// removeSemaphore removes the semaphore that is noted, unless another one has its
// name by now, or it was of another boot.
func removeSemaphore(note string) error {
	text, err := os.ReadFile(note)
	if err != nil {
		return err
	}
	current, err := BootID()
	if err != nil {
		return err
	}
	var boot string
	var base uint16
	var semid int32
	if _, err := fmt.Sscanf(string(text), noteFormat, &boot, &base, &semid); err != nil {
		return nil //nolint:nilerr // the process was killed as it wrote the note
	}
	if boot != current {
		return nil
	}
	errno := syscall.Errno(-C.udev_semaphore_remove(C.uint16_t(base), C.int(semid)))
	if errno != 0 && errno != unix.ENOENT {
		return errno
	}
	return nil
}
