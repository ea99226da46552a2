//go:build dmtest

package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/internal/loop"
	"github.com/dmthin/dmthin/test/writelog"
)

// The disk under test has three parts, one behind the other: the state, of the
// size that the test wants, and the pool's.
const (
	stateSize    = 64 << 20
	metadataSize = 16 << 20
	dataSize     = 384 << 20
)

// labDir is a folder in memory for disks and logs: what is flushed to them
// costs nothing.
const labDir = "/dev/shm/dmthin-crash"

// runDir is for sockets, mount points and the names of devices.
const runDir = "/run/dmthin-crash"

// stateDir is where the state's filesystem is mounted.
const stateDir = runDir + "/state"

// imageFile is a disk in a sparse file.
type imageFile struct{ writelog.SparseFile }

func newImage(name string, size int64) (imageFile, error) {
	if err := os.MkdirAll(labDir, 0o700); err != nil {
		return imageFile{}, err
	}
	f, err := os.Create(filepath.Join(labDir, name))
	if err != nil {
		return imageFile{}, err
	}
	return imageFile{writelog.SparseFile{File: f}}, f.Truncate(size)
}

// copyTo makes a copy that shares nothing, holes excepted.
func (f imageFile) copyTo(name string) (imageFile, error) {
	info, err := f.Stat()
	if err != nil {
		return imageFile{}, err
	}
	to, err := newImage(name, info.Size())
	if err != nil {
		return imageFile{}, err
	}
	for at := int64(0); ; {
		from, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return to, nil
		}
		if err != nil {
			return imageFile{}, err
		}
		if at, err = unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE); err != nil {
			return imageFile{}, err
		}
		if _, err := io.Copy(io.NewOffsetWriter(to, from), io.NewSectionReader(f, from, at-from)); err != nil {
			return imageFile{}, err
		}
	}
}

// attach gives the file a loop device, which goes when its last user does.
func (f imageFile) attach(ctx context.Context) (*loop.Device, error) { return loop.Attach(ctx, f.File) }

// lab is an attached disk with its parts, and the devices that must go with it.
type lab struct {
	devices []string             // device-mapper names, in the order they were made
	below   map[string]dm.Target // what each part lies on
}

const (
	logDevice  = "crash-log"
	turnDevice = "crash-turns"
	partPrefix = "crash-"
)

var partNames = []string{"state", "metadata", "data"}

// partPath is a part's device under a name that is the same on every attached
// disk.
func partPath(part string) string { return filepath.Join(runDir, part) + ".device" }

// openLab attaches the disk; with a log, all that is written to it is recorded
// there.
func openLab(ctx context.Context, image imageFile, log *imageFile) (_ *lab, err error) {
	l := &lab{below: map[string]dm.Target{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close(ctx))
		}
	}()
	below, err := image.attach(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = below.Close() }() // its users keep it
	info, err := image.Stat()
	if err != nil {
		return nil, err
	}
	path := below.Path
	if log != nil {
		to, err := log.attach(ctx)
		if err != nil {
			return nil, err
		}
		defer func() { _ = to.Close() }()
		if path, err = l.record(ctx, path, to.Path, info.Size()); err != nil {
			return nil, err
		}
	}
	return l, l.partition(ctx, path, info.Size()-metadataSize-dataSize)
}

// record puts what records all writes above the disk.
func (l *lab) record(ctx context.Context, disk, log string, size int64) (path string, err error) {
	on := dm.Target{Length: uint64(size) / 512}
	on.Type, on.Params = writelog.Recorder(disk, log)
	if path, err = l.device(ctx, logDevice, on); err != nil {
		return "", err
	}
	on.Type, on.Params = writelog.InTurn(path)
	return l.device(ctx, turnDevice, on)
}

func (l *lab) partition(ctx context.Context, path string, state int64) error {
	if err := os.MkdirAll(stateDir, 0o711); err != nil {
		return err
	}
	at := int64(0)
	for n, size := range []int64{state, metadataSize, dataSize} {
		on := dm.Target{Length: uint64(size) / 512, Type: "linear", Params: fmt.Sprintf("%s %d", path, at/512)}
		l.below[partNames[n]] = on
		part, err := l.device(ctx, partPrefix+partNames[n], on)
		if err != nil {
			return err
		}
		name := partPath(partNames[n])
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.Symlink(part, name); err != nil {
			return err
		}
		at += size
	}
	return nil
}

func (l *lab) device(ctx context.Context, name string, on dm.Target) (path string, err error) {
	info, err := dm.Create(ctx, dm.ID{Name: name}, []dm.Target{on}, dm.CreateOptions{})
	if err != nil {
		return "", err
	}
	l.devices = append(l.devices, name)
	return info.Path(), nil
}

// close detaches the disk. udev may have a device open for a moment.
func (l *lab) close(ctx context.Context) error {
	var errs []error
	for n := len(l.devices) - 1; n >= 0; n-- {
		errs = append(errs, removeDevice(ctx, l.devices[n]))
	}
	return errors.Join(errs...)
}

func removeDevice(ctx context.Context, name string) (err error) {
	for range 600 {
		err = dm.Remove(ctx, dm.ID{Name: name}, dm.RemoveOptions{})
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// mark puts a word of the workload's into the log.
func mark(word string) error { return dm.Message(dm.ID{Name: logDevice}, "mark "+word) }

func mountState() error {
	return unix.Mount(partPath("state"), stateDir, "ext4", unix.MS_NOATIME, "")
}

func unmountState() (err error) {
	for range 600 {
		if err = unix.Unmount(stateDir, 0); !errors.Is(err, unix.EBUSY) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}
