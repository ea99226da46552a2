package thindata

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Data is where a pool keeps its blocks: a block device, which is read around
// its page cache, since what thin devices write to it doesn't show there; or a
// loop file. One goroutine at a time may use it. What has changed on it since
// Open may not be seen.
type Data struct {
	file   *os.File
	size   int64
	buffer []byte
	// The part of the data that the buffer holds: whoever reads sector by sector
	// reads each page once.
	start, end int64
}

const (
	// pageSize suits direct I/O on any device: no logical block is larger.
	pageSize   = 4096
	bufferSize = 256 << 10
)

// Open opens a data device or loop file, whose length is a multiple of 4096
// bytes.
func Open(path string) (*Data, error) {
	flags := os.O_RDONLY
	if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeDevice != 0 {
		flags |= unix.O_DIRECT
	}
	file, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, fmt.Errorf("open the pool's data: %w", err)
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("measure the pool's data: %w", err), file.Close())
	}
	buffer := make([]byte, bufferSize+pageSize)
	skip := -uintptr(unsafe.Pointer(&buffer[0])) % pageSize
	return &Data{file: file, size: size, buffer: buffer[skip:][:bufferSize]}, nil
}

// Size is in bytes.
func (d *Data) Size() int64 { return d.size }

// Close closes the file.
func (d *Data) Close() error { return d.file.Close() }

// ReadAt implements io.ReaderAt.
func (d *Data) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		if offset < d.start || offset >= d.end {
			if err := d.fill(offset, int64(len(p)-n)); err != nil {
				return n, err
			}
		}
		part := copy(p[n:], d.buffer[offset-d.start:d.end-d.start])
		n += part
		offset += int64(part)
	}
	return n, nil
}

// fill reads the pages that hold the bytes from offset on, as many of length as
// the buffer takes.
func (d *Data) fill(offset, length int64) error {
	start := offset / pageSize * pageSize
	end := min(start+bufferSize, (offset+length+pageSize-1)/pageSize*pageSize)
	d.start, d.end = 0, 0
	if got, err := d.file.ReadAt(d.buffer[:end-start], start); int64(got) < end-start {
		return fmt.Errorf("read %d bytes at %d of %s: %w", end-start, start, d.file.Name(), err)
	}
	d.start, d.end = start, end
	return nil
}
