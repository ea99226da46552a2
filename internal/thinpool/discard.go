package thinpool

import (
	"context"
	"fmt"
	"os"
	"unsafe"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm"
)

// discardChunk bounds how long one call stays in the kernel. With blocks of
// 64 KiB it is 4096 of them.
const discardChunk = 256 * units.MiB

// Discard gives all blocks of an active device back to the pool, and through it
// to the data device. The device reads as zeros afterwards. size is in bytes;
// the context is looked at between chunks. A mounted device is refused with
// EBUSY by the kernel.
func (p *Pool) Discard(ctx context.Context, device Device, size int64) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("discard %s: %w", device.Path, explain(err))
		}
	}()
	f, err := os.OpenFile(device.Path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = also(err, f.Close()) }()
	if err := p.checkOpen(f, device); err != nil {
		return err
	}
	chunk := p.discardChunk()
	for start := int64(0); start < size; start += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := discard(f, start, min(chunk, size-start)); err != nil {
			return err
		}
	}
	return nil
}

// discardChunk returns whole blocks: dm-thin leaves a block that is discarded
// in two parts where it is.
func (p *Pool) discardChunk() int64 {
	blocks := max(1, discardChunk/p.blockSize)
	return blocks * p.blockSize
}

// checkOpen makes sure that an open file is the device meant, and ours. Being
// open keeps it so.
func (p *Pool) checkOpen(f *os.File, device Device) error {
	number, err := numberOf(f)
	if err != nil {
		return err
	}
	if want := (devNumber{device.Major, device.Minor}); number != want {
		return fmt.Errorf("%w: it is device %s, not %s", ErrForeign, number, want)
	}
	info, err := dm.LookupNumber(device.Major, device.Minor)
	if err != nil {
		return err
	}
	if !p.owns(info.UUID) {
		return fmt.Errorf("%w: UUID %q", ErrForeign, info.UUID)
	}
	return nil
}

func discard(f *os.File, start, length int64) error {
	span := [2]uint64{uint64(start), uint64(length)}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.BLKDISCARD, uintptr(unsafe.Pointer(&span)))
	if errno != 0 {
		return fmt.Errorf("%d bytes at %d: %w", length, start, errno)
	}
	return nil
}
