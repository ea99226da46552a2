package looplvm

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop"
)

// Backend is an open pair of files on loop devices. It keeps the devices open
// until Close. They are autoclear: after Close they live as long as the pool
// has them open, and are detached when it is removed.
//
// Its methods may be called concurrently, except that nothing may follow
// Close.
type Backend struct {
	data, metadata volume

	growing sync.Mutex // protects the sizes of files and devices

	reserved    int64 // bytes of the metadata file that have their place on the disk
	unreserving bool  // the filesystem can't reserve space
}

// volume is a file together with its loop device.
type volume struct {
	file   *backingFile
	device *loop.Device
}

func attachBoth(ctx context.Context, data, metadata *backingFile) (*Backend, error) {
	d, err := attach(ctx, data)
	if err != nil {
		return nil, err
	}
	m, err := attach(ctx, metadata)
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	return &Backend{data: volume{data, d}, metadata: volume{metadata, m}}, nil
}

// attach finds the loop device of the file, or gives it one.
func attach(ctx context.Context, b *backingFile) (*loop.Device, error) {
	d, err := loop.Find(b.file)
	switch {
	case errors.Is(err, loop.ErrNotAttached):
		return loop.Attach(ctx, b.file)
	case errors.Is(err, loop.ErrAttachedTwice):
		return nil, b.errorf(ErrInUse, err, "can't be used", "")
	case err != nil:
		return nil, err
	}
	if err := checkAttached(b, d); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// checkAttached accepts a device only when it is the whole file, writable. One
// that an earlier process attached before the file grew is brought up to size.
func checkAttached(b *backingFile, d *loop.Device) error {
	status, err := d.Status()
	if err != nil {
		return err
	}
	hint := "detach it with losetup -d " + d.Path
	switch {
	case status.ReadOnly:
		return b.errorf(ErrInUse, nil, "is attached read-only to "+d.Path, hint)
	case status.Offset != 0 || status.SizeLimit != 0:
		return b.errorf(ErrInUse, nil, fmt.Sprintf("is attached to %s with offset %d and size limit %d",
			d.Path, status.Offset, status.SizeLimit), hint)
	}
	size, err := d.Size()
	if err != nil {
		return err
	}
	if size < b.size/sector*sector {
		return d.SetCapacity()
	}
	return nil
}

// DataDevice is the data device, as /dev/loopN.
func (b *Backend) DataDevice() string { return b.data.device.Path }

// MetadataDevice is the metadata device, as /dev/loopN.
func (b *Backend) MetadataDevice() string { return b.metadata.device.Path }

// DataFile is the path of the file behind DataDevice.
func (b *Backend) DataFile() string { return b.data.file.path }

// MetadataFile is the path of the file behind MetadataDevice.
func (b *Backend) MetadataFile() string { return b.metadata.file.path }

// DataSize is the data device's size in bytes.
func (b *Backend) DataSize() (int64, error) { return b.data.device.Size() }

// MetadataSize is the metadata device's size in bytes.
func (b *Backend) MetadataSize() (int64, error) { return b.metadata.device.Size() }

// Created tells whether this Open made a file. There was no pool then.
func (b *Backend) Created() bool { return b.data.file.created || b.metadata.file.created }

// HostFree is how many bytes the filesystem holding the files has left. The
// files are sparse, so this bounds what the pool can still take. The kernel
// writes them as root, so blocks reserved for root count.
func (b *Backend) HostFree() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(b.data.file.file.Fd()), &st); err != nil {
		return 0, b.data.file.errorf(nil, err, "can't tell the free space around it", "")
	}
	return int64(st.Bfree) * st.Bsize, nil
}

// Close lets go of files and devices. Before the pool has opened the devices
// it detaches them.
func (b *Backend) Close() error {
	return firstError(
		b.data.device.Close(), b.metadata.device.Close(),
		b.data.file.file.Close(), b.metadata.file.file.Close(),
	)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
