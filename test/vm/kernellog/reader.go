package kernellog

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const device = "/dev/kmsg"

// Reader reads the kernel log from the moment it was opened.
type Reader struct {
	fd  int
	buf []byte
}

// Open starts reading at the end of the log. It needs root.
func Open() (*Reader, error) {
	// A raw descriptor: with os.File a read would wait for the next record.
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", device, err)
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("seek %s: %w", device, err)
	}
	return &Reader{fd: fd, buf: make([]byte, 16<<10)}, nil
}

// Close ends the reading.
func (r *Reader) Close() error { return unix.Close(r.fd) }

// Drain returns the records that came since the last call, without waiting.
func (r *Reader) Drain() []Record {
	var records []Record
	for {
		n, err := unix.Read(r.fd, r.buf)
		switch {
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR):
			continue // EPIPE: records were overwritten before we came; go on with the oldest left
		case err != nil || n == 0:
			return records // EAGAIN: no more for now
		}
		if rec, err := ParseRecord(string(r.buf[:n])); err == nil {
			records = append(records, rec)
		}
	}
}

// Expect announces that kernel log lines matching pattern, a regular
// expression, are about to come and are no fault. It holds until the end of
// the job, and the caller must be root.
func Expect(pattern string) error {
	f, err := os.OpenFile(device, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	// One write is one record.
	_, err = f.WriteString(announcement + pattern + "\n")
	return err
}
