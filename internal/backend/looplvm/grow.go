package looplvm

import (
	"errors"
	"fmt"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"
)

// metadataReserve is how many bytes of the metadata file have their place on
// the disk beyond what the pool uses. A gigabyte of new data with blocks of
// 64 KiB takes about 1 MiB of metadata; the kernel keeps up to 16 MiB for its
// own work on top.
const metadataReserve = 64 * units.MiB

// GrowData makes the data device at least size bytes. The pool sees it when a
// table with the new length is loaded. A smaller size changes nothing.
func (b *Backend) GrowData(size int64) error { return b.grow(b.data, size) }

// GrowMetadata is GrowData for the metadata device. dm-thin uses no more than
// 16 GiB less 64 MiB of it.
func (b *Backend) GrowMetadata(size int64) error { return b.grow(b.metadata, size) }

// TakeUp makes the devices as large as their files, which an operator may have
// grown with truncate.
func (b *Backend) TakeUp() error {
	return errors.Join(b.grow(b.data, 0), b.grow(b.metadata, 0))
}

func (b *Backend) grow(v volume, size int64) error {
	b.growing.Lock()
	defer b.growing.Unlock()
	if err := v.file.grow(size); err != nil {
		return err
	}
	has, err := v.device.Size()
	if err != nil {
		return err
	}
	if has >= v.file.size/sector*sector {
		return nil
	}
	return v.device.SetCapacity()
}

// ReserveMetadata gives the metadata file its place on the disk for used bytes
// and a reserve; dm-thin fills the device from its start. A metadata write that
// fails because the host's disk is full stops the pool until it is repaired, so
// the disk must never be full for metadata. For data it may be: that fails the
// write of one layer only, and reserving a whole data file would waste what
// sparse files are for.
//
// Call it again as the use grows. On filesystems that can't reserve space it
// does nothing.
func (b *Backend) ReserveMetadata(used int64) error {
	b.growing.Lock()
	defer b.growing.Unlock()
	f := b.metadata.file
	want := min(used+metadataReserve, f.size)
	// In steps: a reserve that is half full is renewed.
	enough := want <= b.reserved || want < f.size && want <= b.reserved+metadataReserve/2
	if b.unreserving || enough {
		return nil
	}
	err := unix.Fallocate(int(f.file.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, want)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
		b.unreserving = true
		return nil
	case err != nil:
		return f.errorf(nil, err, fmt.Sprintf("can't reserve %d bytes on the disk", want),
			"free space on the filesystem that holds it, or the pool stops when its metadata finds no place")
	}
	b.reserved = want
	return nil
}
