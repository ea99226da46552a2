package diff

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrShrunk means that a file lost bytes while it was being written to a tar.
// The tar already promised its length, so it can't be finished.
var ErrShrunk = errors.New("the file shrank while it was read; pause the container and try again")

// content reads a regular file of a layer.
type content struct {
	file *os.File
	stat stat // of the open file, so that header and content belong together
}

// openContent opens a regular file. One that was replaced by something else
// since it was looked at counts as gone.
func openContent(dirfd int, name string) (*content, error) {
	fd, err := openAt(dirfd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC)
	if errors.Is(err, unix.ENXIO) { // a pipe or a socket by now
		return nil, unix.ENOENT
	}
	if err != nil {
		return nil, err
	}
	c := &content{file: os.NewFile(uintptr(fd), name)}
	if c.stat, err = lstatAt(fd, ""); err == nil && !c.stat.isRegular() {
		err = unix.ENOENT
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *content) close() { _ = c.file.Close() }

// copyTo writes exactly the length that was current when the file was opened.
func (c *content) copyTo(ctx context.Context, w io.Writer, buf []byte) error {
	length := c.stat.length()
	var written int64
	var err error
	if c.stat.hasHoles() {
		written, err = c.copyRanges(ctx, w, buf)
	} else {
		written, err = c.copyRange(ctx, w, 0, length, buf)
	}
	if err == nil && written < length {
		return ErrShrunk
	}
	return err
}

func (c *content) copyRange(ctx context.Context, w io.Writer, from, to int64, buf []byte) (int64, error) {
	src := contextReader{ctx, io.NewSectionReader(c.file, from, to-from)}
	return io.CopyBuffer(onlyWriter{w}, src, buf)
}

// copyRanges reads the allocated parts of a file and makes up the zeros between.
func (c *content) copyRanges(ctx context.Context, w io.Writer, buf []byte) (done int64, err error) {
	length := c.stat.length()
	for done < length {
		data, hole, err := c.nextData(done)
		if err != nil {
			return done, err
		}
		n, err := writeZeros(ctx, w, data-done, buf)
		done += n
		if err != nil {
			return done, err
		}
		n, err = c.copyRange(ctx, w, data, hole, buf)
		done += n
		if err != nil || n < hole-data {
			return done, err
		}
	}
	return done, c.stillWhole()
}

// nextData returns where the next allocated part at or after pos starts and
// ends; both are the length if there is none.
func (c *content) nextData(pos int64) (data, hole int64, err error) {
	length := c.stat.length()
	fd := int(c.file.Fd())
	data, err = unix.Seek(fd, pos, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return length, length, nil
	}
	if errors.Is(err, unix.EINVAL) { // the filesystem can't tell
		return pos, length, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("seek data: %w", err)
	}
	hole, err = unix.Seek(fd, data, unix.SEEK_HOLE)
	if err != nil && !errors.Is(err, unix.ENXIO) {
		return 0, 0, fmt.Errorf("seek hole: %w", err)
	}
	if err != nil || hole > length {
		hole = length
	}
	return min(data, length), hole, nil
}

// stillWhole tells the hole at a file's end from a file that was cut.
func (c *content) stillWhole() error {
	now, err := lstatAt(int(c.file.Fd()), "")
	if err == nil && now.length() < c.stat.length() {
		err = ErrShrunk
	}
	return err
}

func writeZeros(ctx context.Context, w io.Writer, n int64, buf []byte) (int64, error) {
	clear(buf[:min(n, int64(len(buf)))])
	var done int64
	for done < n {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		k, err := w.Write(buf[:min(n-done, int64(len(buf)))])
		done += int64(k)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// contextReader stops a copy when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// onlyWriter hides ReadFrom, so that a copy uses the given buffer.
type onlyWriter struct{ io.Writer }
