package loop

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Device is an attached loop device, held open.
//
// Attach marks devices autoclear: the kernel detaches them at the last close.
// The Device must therefore stay open until device-mapper, or whoever uses the
// device next, has opened it; from then on that user keeps it alive.
type Device struct {
	Path         string // /dev/loopN
	Major, Minor uint32

	file *os.File
}

// Status is what the kernel tells of an attached loop device.
type Status struct {
	Dev, Inode uint64 // the backing file, as stat(2) has them
	Offset     uint64 // bytes of the file before the device's first
	SizeLimit  uint64 // bytes; 0 means up to the file's end
	ReadOnly   bool
	Autoclear  bool
	DirectIO   bool
	FileName   string // at most 63 bytes, for people to read
}

func openDevice(path string) (*Device, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) {
		// A device that was attached read-only can't be opened for writing,
		// but its status can still be asked.
		f, err = os.OpenFile(path, os.O_RDONLY, 0)
	}
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		f.Close()
		return nil, &os.PathError{Op: "open", Path: path, Err: unix.ENOTBLK}
	}
	return &Device{Path: path, Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev), file: f}, nil
}

func (d *Device) fd() int { return int(d.file.Fd()) }

// Close lets go of the device. An autoclear device nobody else has open is
// detached by it.
func (d *Device) Close() error { return d.file.Close() }

// Status asks the kernel. The error is ErrNotAttached when the device has no
// backing file (any more).
func (d *Device) Status() (Status, error) {
	info, err := unix.IoctlLoopGetStatus64(d.fd())
	if errors.Is(err, unix.ENXIO) {
		return Status{}, &Error{Op: "status of", Target: d.Path, Err: ErrNotAttached}
	}
	if err != nil {
		return Status{}, &Error{Op: "status of", Target: d.Path, Err: err}
	}
	name, _, _ := bytes.Cut(info.File_name[:], []byte{0})
	return Status{
		Dev:       info.Device,
		Inode:     info.Inode,
		Offset:    info.Offset,
		SizeLimit: info.Sizelimit,
		ReadOnly:  info.Flags&unix.LO_FLAGS_READ_ONLY != 0,
		Autoclear: info.Flags&unix.LO_FLAGS_AUTOCLEAR != 0,
		DirectIO:  info.Flags&unix.LO_FLAGS_DIRECT_IO != 0,
		FileName:  string(name),
	}, nil
}

// Size returns the device's size in bytes.
func (d *Device) Size() (int64, error) {
	var size uint64
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, d.file.Fd(), unix.BLKGETSIZE64, uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0, &Error{Op: "size of", Target: d.Path, Err: errno}
	}
	return int64(size), nil
}

// SetCapacity makes the device as large as its file is now. Call it after the
// file was grown, and before the table that uses the new space is loaded.
func (d *Device) SetCapacity() error {
	if err := unix.IoctlSetInt(d.fd(), unix.LOOP_SET_CAPACITY, 0); err != nil {
		return &Error{Op: "set the capacity of", Target: d.Path, Err: err}
	}
	return nil
}

// Detach takes the file off the device. While others have the device open the
// kernel only marks it autoclear and detaches at the last close. Detaching a
// device that has no file succeeds. The Device must still be closed.
func (d *Device) Detach() error {
	err := unix.IoctlSetInt(d.fd(), unix.LOOP_CLR_FD, 0)
	if err != nil && !errors.Is(err, unix.ENXIO) {
		return &Error{Op: "detach", Target: d.Path, Err: err}
	}
	return nil
}

func (d *Device) String() string { return fmt.Sprintf("%s (%d:%d)", d.Path, d.Major, d.Minor) }
