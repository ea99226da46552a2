package diff

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// aufs kept files with several names in a folder of its own at the top, and the
// first images of Docker have it in their tars: the files come first, entries
// elsewhere link to them.

// inLinkPool reports whether a hard link's target is in aufs's folder.
func inLinkPool(target string) bool {
	return strings.HasPrefix(path.Clean(strings.TrimLeft(target, "/")), linkPool)
}

// aufsMetadata keeps the files of the link pool at hand and drops the rest of
// aufs's own entries.
func (u *unpacker) aufsMetadata(h *tar.Header, name string, body io.Reader) error {
	if !inLinkPool(name) || h.Typeflag != tar.TypeReg {
		return nil
	}
	if u.pool == nil {
		pool, err := newLinkSpool(u.dir)
		if err != nil {
			return err
		}
		u.pool = pool
	}
	return u.pool.add(u.ctx, h, path.Base(name), body, u.buf)
}

// linkSpool holds the files of the link pool, one after the other, in a file
// without a name.
type linkSpool struct {
	file  *os.File
	end   int64
	files map[string]spooled
}

type spooled struct {
	header *tar.Header
	offset int64
}

// newLinkSpool makes the file in the layer itself, which has room for it. Without
// a name, it goes with the process.
func newLinkSpool(dir string) (*linkSpool, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keep aufs hard links: %w", err)
	}
	return &linkSpool{file: os.NewFile(uintptr(fd), dir), files: make(map[string]spooled)}, nil
}

func (p *linkSpool) add(ctx context.Context, h *tar.Header, base string, body io.Reader, buf []byte) error {
	if err := writeSparse(ctx, int(p.file.Fd()), p.end, body, h.Size, buf); err != nil {
		return fmt.Errorf("keep aufs hard link: %w", err)
	}
	p.files[base] = spooled{h, p.end}
	p.end += h.Size
	return nil
}

// open returns what a link to the pool stands for.
func (p *linkSpool) open(link *tar.Header) (*tar.Header, io.Reader, error) {
	if p != nil {
		if s, ok := p.files[path.Base(link.Linkname)]; ok {
			return s.header, io.NewSectionReader(p.file, s.offset, s.header.Size), nil
		}
	}
	return nil, nil, fmt.Errorf("aufs hard link to %q, which is not in the tar", link.Linkname)
}

func (p *linkSpool) close() {
	if p != nil {
		_ = p.file.Close()
	}
}
