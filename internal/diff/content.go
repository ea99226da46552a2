package diff

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// ErrShrunk means that a file lost bytes while it was being written to a tar.
// The tar already promised its length, so it can't be finished.
var ErrShrunk = errors.New("the file shrank while it was read; pause the container and try again")

// content reads a regular file of a layer.
type content struct {
	fd   int  // -1 once all of it was read
	stat stat // of the open file, so that header and content belong together
	all  []byte
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
	c := &content{fd: fd}
	if c.stat, err = lstatAt(fd, ""); err == nil && !c.stat.isRegular() {
		err = unix.ENOENT
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *content) close() {
	if c.fd >= 0 {
		closeFD(c.fd)
		c.fd = -1
	}
}

// capability returns the file's security.capability, nil if it has none.
func (c *content) capability() ([]byte, error) {
	buf := make([]byte, capabilityBuffer)
	n, err := unix.Fgetxattr(c.fd, capabilityXattr, buf)
	return capabilityValue(buf, n, err)
}

// prefetch has the kernel read up to n bytes into its cache. That it doesn't is
// no failure: whoever reads the file later waits, and is told what is wrong.
func (c *content) prefetch(n int64) {
	_ = unix.Fadvise(c.fd, 0, min(n, c.stat.length()), unix.FADV_WILLNEED)
}

// readAll reads a file into p, which is as long as the file, and closes it.
func (c *content) readAll(p []byte) ([]byte, error) {
	defer c.close()
	_, err := c.ReadAt(p, 0)
	if errors.Is(err, io.EOF) {
		return nil, ErrShrunk
	}
	c.all = p
	return p, err
}

// ReadAt implements io.ReaderAt.
func (c *content) ReadAt(p []byte, offset int64) (done int, err error) {
	for done < len(p) {
		n, err := unix.Pread(c.fd, p[done:], offset+int64(done))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return done, fmt.Errorf("read: %w", err)
		}
		if n == 0 {
			return done, io.EOF
		}
		done += n
	}
	return done, nil
}

// copyTo writes exactly the length that was current when the file was opened.
func (c *content) copyTo(ctx context.Context, w io.Writer, buf []byte) error {
	length := c.stat.length()
	if c.fd < 0 {
		_, err := w.Write(c.all)
		return err
	}
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
	src := contextReader{ctx, io.NewSectionReader(c, from, to-from)}
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
	data, err = unix.Seek(c.fd, pos, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return length, length, nil
	}
	if errors.Is(err, unix.EINVAL) { // the filesystem can't tell
		return pos, length, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("seek data: %w", err)
	}
	hole, err = unix.Seek(c.fd, data, unix.SEEK_HOLE)
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
	now, err := lstatAt(c.fd, "")
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
