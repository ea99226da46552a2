package takeover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/thinmeta"
)

// poolReader reads thin devices of a pool that need not be active.
type poolReader struct {
	metadata  *thinmeta.Reader
	data      *os.File
	dataSize  int64
	blockSize int64

	// The page read last: a journal is looked at sector by sector.
	page   []byte
	device uint32
	number int64 // -1: none
}

const pageSize = 4096

// openData opens the pool's data to read it around the page cache, which may
// hold what was there before the thin devices were written.
func openData(path string, metadata *thinmeta.Reader) (*poolReader, error) {
	flags := os.O_RDONLY
	if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeDevice != 0 {
		flags |= unix.O_DIRECT
	}
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, fmt.Errorf("open the pool's data: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &poolReader{
		metadata: metadata, data: f, dataSize: size, blockSize: metadata.Superblock().BlockSize,
		page: alignedBuffer(pageSize), number: -1,
	}, nil
}

// alignedBuffer suits direct I/O on any device.
func alignedBuffer(size int) []byte {
	const align = 4096
	b := make([]byte, size+align)
	skip := -uintptr(unsafe.Pointer(&b[0])) % align
	return b[skip:][:size:size]
}

// thinDevice is one device of the pool.
type thinDevice struct {
	ctx  context.Context //nolint:containedctx // io.ReaderAt has no place for it
	pool *poolReader
	id   uint32
}

// ReadAt reads zeros where the device has no block, as the kernel does.
func (d thinDevice) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		page, err := d.readPage((off + int64(n)) / pageSize)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], page[(off+int64(n))%pageSize:])
	}
	return n, nil
}

func (d thinDevice) readPage(number int64) ([]byte, error) {
	p := d.pool
	if p.device == d.id && p.number == number {
		return p.page, nil
	}
	p.number = -1
	at := number * pageSize
	m, ok, err := p.metadata.Lookup(d.ctx, d.id, uint64(at/p.blockSize))
	if err != nil {
		return nil, err
	}
	if ok {
		_, err = p.data.ReadAt(p.page, int64(m.Data)*p.blockSize+at%p.blockSize)
	} else {
		clear(p.page)
	}
	if err != nil {
		return nil, err
	}
	p.device, p.number = d.id, number
	return p.page, nil
}
