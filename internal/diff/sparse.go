package diff

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// writeSparse writes size bytes of body to the end of a file, at start, and
// leaves a hole where a whole buffer is zero. A tar need not say where a file's
// holes were, and unpacked holes must not fill the pool.
func writeSparse(ctx context.Context, fd int, start int64, body io.Reader, size int64, buf []byte) error {
	var pos int64
	hole := false
	for pos < size {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buf[:min(int64(len(buf)), size-pos)]
		if _, err := io.ReadFull(body, part); err != nil {
			return fmt.Errorf("read content at byte %d of %d: %w", pos, size, err)
		}
		hole = len(part) == len(buf) && isZero(part)
		if !hole {
			if err := pwriteAll(fd, part, start+pos); err != nil {
				return fmt.Errorf("write: %w", err)
			}
		}
		pos += int64(len(part))
	}
	if hole {
		if err := unix.Ftruncate(fd, start+size); err != nil {
			return fmt.Errorf("set length %d: %w", start+size, err)
		}
	}
	return nil
}

// isZero compares the bytes with themselves one further, which runs at the speed
// of memory.
func isZero(b []byte) bool { return b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1]) }

func pwriteAll(fd int, b []byte, pos int64) error {
	for len(b) > 0 {
		n, err := unix.Pwrite(fd, b, pos)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		b = b[n:]
		pos += int64(n)
	}
	return nil
}
