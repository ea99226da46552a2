package main

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// newWorkDir makes a folder for one session below parent, and deletes those
// that killed processes left behind, disks of many gigabytes among them. Each is
// locked as long as its process lives.
func newWorkDir(parent string) (dir string, remove func(), err error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", nil, err
	}
	// Whoever makes or deletes one keeps others out for that moment.
	parentLock, err := lockFile(parent+".lock", unix.LOCK_EX)
	if err != nil {
		return "", nil, err
	}
	defer parentLock.Close()
	old, _ := filepath.Glob(filepath.Join(parent, "*")) // the pattern is well formed
	for _, dir := range old {
		if lock, err := lockFile(filepath.Join(dir, "lock"), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			_ = os.RemoveAll(dir) // the next run tries again
			lock.Close()
		}
	}
	dir, err = os.MkdirTemp(parent, "")
	if err != nil {
		return "", nil, err
	}
	lock, err := lockFile(filepath.Join(dir, "lock"), unix.LOCK_EX)
	if err != nil {
		return "", nil, err
	}
	return dir, func() {
		_ = os.RemoveAll(dir) // the next run tries again
		lock.Close()
	}, nil
}

// lockFile opens path and locks it until the file is closed.
func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return f, nil
}
