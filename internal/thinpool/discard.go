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

// Extent is a part of a device, in bytes.
type Extent struct{ Start, Length int64 }

// Discard gives the blocks in the extents of an active device back to the pool,
// and through it to the data device. They read as zeros afterwards. The context
// is looked at between chunks. A mounted device is refused with EBUSY by the
// kernel.
func (p *Pool) Discard(ctx context.Context, device Device, extents []Extent) (err error) {
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
	for _, e := range extents {
		if err := p.discardExtent(ctx, f, e); err != nil {
			return err
		}
	}
	return nil
}

func (p *Pool) discardExtent(ctx context.Context, f *os.File, e Extent) error {
	chunk, end := p.discardChunk(), e.Start+e.Length
	for start := e.Start; start < end; start += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := discard(f, start, min(chunk, end-start)); err != nil {
			return err
		}
	}
	return nil
}

// Flush returns once the metadata on disk hold all that was written to an active
// device.
func (p *Pool) Flush(device Device) (err error) {
	f, err := os.OpenFile(device.Path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("flush %s: %w", device.Path, err)
	}
	defer func() { err = also(err, f.Close()) }()
	if err := p.checkOpen(f, device); err != nil {
		return fmt.Errorf("flush %s: %w", device.Path, explain(err))
	}
	return f.Sync()
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
