package blockdiff

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// directFile reads a block device around its page cache, in which what thin
// devices write to it doesn't show. One goroutine at a time may use it.
type directFile struct {
	*os.File
	buffer []byte
}

const (
	// directAlign suits direct I/O on any device: no logical block is larger.
	directAlign  = 4096
	directBuffer = 256 << 10
)

func openDirect(path string) (*directFile, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	buffer := make([]byte, directBuffer+directAlign)
	skip := -uintptr(unsafe.Pointer(&buffer[0])) % directAlign
	return &directFile{file, buffer[skip:][:directBuffer]}, nil
}

// ReadAt implements io.ReaderAt for any part of a device whose length is a
// multiple of 4096 bytes.
func (d *directFile) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		skip := int(offset % directAlign)
		want := min(skip+len(p)-n, len(d.buffer))
		aligned := d.buffer[:(want+directAlign-1)&^(directAlign-1)]
		if got, err := d.File.ReadAt(aligned, offset-int64(skip)); got < want {
			return n, fmt.Errorf("read %d bytes at %d of %s: %w", want, offset, d.Name(), err)
		}
		part := copy(p[n:], aligned[skip:want])
		n += part
		offset += int64(part)
	}
	return n, nil
}
