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
	file  *os.File
	size  int64
	least int64 // bytes that are read at a time
	// Parts of the data, the one filled last behind next. Two volumes that are
	// read side by side, here and there a sector, read each part once.
	parts [4]part
	next  int
}

// part is what lies from start to end.
type part struct {
	buffer     []byte
	start, end int64
}

const (
	// pageSize suits direct I/O on any device: no logical block is larger.
	pageSize   = 4096
	bufferSize = 256 << 10
	// leastRead is that of devices: how much is read matters less than how often.
	leastRead = 64 << 10
)

// Open opens a data device or loop file, whose length is a multiple of 4096
// bytes.
func Open(path string) (*Data, error) {
	flags, least := os.O_RDONLY, int64(pageSize)
	if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeDevice != 0 {
		flags, least = flags|unix.O_DIRECT, leastRead
	}
	file, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, fmt.Errorf("open the pool's data: %w", err)
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("measure the pool's data: %w", err), file.Close())
	}
	return &Data{file: file, size: size, least: least}, nil
}

// aligned returns a buffer that suits direct I/O.
func aligned() []byte {
	buffer := make([]byte, bufferSize+pageSize)
	skip := -uintptr(unsafe.Pointer(&buffer[0])) % pageSize
	return buffer[skip:][:bufferSize]
}

// Size is in bytes.
func (d *Data) Size() int64 { return d.size }

// Close closes the file.
func (d *Data) Close() error { return d.file.Close() }

// ReadAt implements io.ReaderAt.
func (d *Data) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		known := d.find(offset)
		if known == nil {
			if known, err = d.fill(offset, int64(len(p)-n)); err != nil {
				return n, err
			}
		}
		copied := copy(p[n:], known.buffer[offset-known.start:known.end-known.start])
		n += copied
		offset += int64(copied)
	}
	return n, nil
}

// find returns the part that holds the byte at offset, or nil.
func (d *Data) find(offset int64) *part {
	for i := range d.parts {
		if known := &d.parts[i]; known.start <= offset && offset < known.end {
			return known
		}
	}
	return nil
}

// fill reads what holds the bytes from offset on, as many of length as a part
// takes.
func (d *Data) fill(offset, length int64) (*part, error) {
	start := offset / d.least * d.least
	end := min(start+bufferSize, (offset+length+d.least-1)/d.least*d.least)
	if offset < d.size {
		end = min(end, d.size)
	}
	filled := &d.parts[d.next]
	filled.start, filled.end = 0, 0
	if filled.buffer == nil {
		filled.buffer = aligned()
	}
	if got, err := d.file.ReadAt(filled.buffer[:end-start], start); int64(got) < end-start {
		return nil, fmt.Errorf("read %d bytes at %d of %s: %w", end-start, start, d.file.Name(), err)
	}
	filled.start, filled.end = start, end
	d.next = (d.next + 1) % len(d.parts)
	return filled, nil
}
