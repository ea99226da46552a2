package thinpool

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Allocate writes into each block of the first size bytes of an active device,
// so that the pool gives it all of them. It writes 4 KiB a block: enough for
// the mapping, and little to write on what lies below.
func (p *Pool) Allocate(ctx context.Context, device Device, size int64) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("allocate the blocks of %s: %w", device.Path, explain(err))
		}
	}()
	status, err := p.Status(ctx)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(device.Path, os.O_RDWR|unix.O_DIRECT, 0)
	if err != nil {
		return err
	}
	defer func() { err = also(err, f.Close()) }()
	if err := p.checkOpen(f, device); err != nil {
		return err
	}
	page, err := alignedPage()
	if err != nil {
		return err
	}
	defer func() { err = also(err, unix.Munmap(page)) }()
	for at := int64(0); at+int64(len(page)) <= size; at += status.BlockSize {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := f.WriteAt(page, at); err != nil {
			return err
		}
	}
	return nil
}

// alignedPage suits direct I/O: writes through the page cache would fail only
// at a later sync.
func alignedPage() ([]byte, error) {
	return unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
}
