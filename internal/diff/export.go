package diff

import (
	"archive/tar"
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// IDMaps translate user and group IDs between a layer's files and its tar. The
// zero value changes nothing.
type IDMaps = user.IdentityMapping

// streamBuffer is the size of reads and writes on tar streams.
const streamBuffer = 64 << 10

// WriteChanges writes the changed paths of a layer as a tar, sorted by path:
// whole files for Modified and Added, AUFS whiteouts for Deleted. It is what
// Docker's drivers write for the same changes.
//
// The layer may change meanwhile. What is gone is left out; of a file that grows
// only the length in its header is written; a file that shrinks while it is read
// fails with ErrShrunk, since the promised bytes don't exist.
func WriteChanges(ctx context.Context, w io.Writer, layer string, changes []Change, ids IDMaps) error {
	changes = slices.SortedFunc(slices.Values(changes), comparePaths)
	return export(ctx, w, layer, ids, func(_ *cursor, add func(exportEntry) error) error {
		for _, c := range changes {
			if err := add(exportEntry{path: c.Path, deleted: c.Kind == Deleted}); err != nil {
				return err
			}
		}
		return nil
	})
}

// export writes the entries that list adds, and finishes the tar.
func export(ctx context.Context, w io.Writer, layer string, ids IDMaps, list func(at *cursor, add func(exportEntry) error) error) error {
	top, err := openTop(layer)
	if err != nil {
		return err
	}
	defer closeFD(top)
	out := bufio.NewWriterSize(w, streamBuffer)
	e := &exporter{
		ctx: ctx, tar: tar.NewWriter(out), at: newCursor(top), ids: ids,
		links: make(map[inode]string), buf: make([]byte, streamBuffer),
	}
	defer e.at.close()
	err = e.readAhead(func(add func(exportEntry) error) error {
		at := newCursor(top)
		defer at.close()
		return list(at, add)
	}, e.entry)
	if err != nil {
		return err
	}
	if err := e.tar.Close(); err != nil {
		return fmt.Errorf("finish tar: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("finish tar: %w", err)
	}
	return nil
}

// inode identifies a file with several names.
type inode struct {
	number       uint64
	major, minor uint32
}

// exporter writes entries of one layer to a tar.
type exporter struct {
	ctx   context.Context
	tar   *tar.Writer
	at    *cursor
	ids   IDMaps
	links map[inode]string // the name under which a file with several was written
	buf   []byte
}

// entry writes what was looked at. Sockets and what is gone are left out.
func (e *exporter) entry(x *exportEntry) error {
	if err := e.ctx.Err(); err != nil {
		return err
	}
	if x.deleted {
		return e.whiteout(x.path)
	}
	err := x.err
	if isGone(err) || err == nil && x.found == nil {
		return nil
	}
	if err == nil {
		err = e.write(x.found)
	}
	if err != nil {
		return fmt.Errorf("write %q to tar: %w", x.path, err)
	}
	return nil
}

// exported is an entry ready to be written.
type exported struct {
	stat    stat
	header  *tar.Header
	content *content // of regular files
}

func (x *exported) close() {
	if x.content != nil {
		x.content.close()
	}
}

// examine looks at an entry, and opens it if it is a regular file. Sockets can't
// be in a tar; they give nil.
func (e *exporter) examine(at *cursor, y *exportEntry) (x *exported, err error) {
	dir, name := splitPath(y.path)
	fd, err := at.open(dir)
	if err != nil {
		return nil, err
	}
	x = &exported{}
	// Only a regular file may be opened to look at it: with a device, that does something.
	if y.kind != unix.DT_REG {
		if x.stat, err = lstatAt(fd, name); err != nil || x.stat.isSocket() {
			return nil, err
		}
	}
	if y.kind == unix.DT_REG || x.stat.isRegular() {
		if x.content, err = openContent(fd, name); err != nil {
			return nil, err
		}
		x.stat = x.content.stat
	}
	if x.header, err = e.header(fd, name, y.path, x); err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

func (e *exporter) write(x *exported) error {
	if !x.stat.isDir() && x.stat.Nlink > 1 {
		e.link(x.header, inode{x.stat.Ino, x.stat.Dev_major, x.stat.Dev_minor})
	}
	if err := e.tar.WriteHeader(x.header); err != nil {
		return err
	}
	if x.header.Typeflag != tar.TypeReg {
		return nil
	}
	return x.content.copyTo(e.ctx, e.tar, e.buf)
}

func (e *exporter) header(dirfd int, name, file string, x *exported) (h *tar.Header, err error) {
	s := &x.stat
	h = newHeader(strings.TrimPrefix(file, "/"), s)
	if s.isSymlink() {
		if h.Linkname, err = readLink(dirfd, name); err != nil {
			return nil, err
		}
	}
	var value []byte
	if x.content != nil {
		value, err = x.content.capability()
	} else {
		value, err = capability(dirfd, name)
	}
	if err != nil {
		return nil, err
	}
	if value != nil {
		h.PAXRecords = map[string]string{paxXattr + capabilityXattr: string(portableCapability(value))}
	}
	if !e.ids.Empty() {
		if h.Uid, h.Gid, err = e.ids.ToContainer(h.Uid, h.Gid); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// link turns the second and further names of a file into hard links.
func (e *exporter) link(h *tar.Header, id inode) {
	first, seen := e.links[id]
	if !seen {
		e.links[id] = h.Name
		return
	}
	h.Typeflag = tar.TypeLink
	h.Linkname = first
	h.Size = 0
}

func (e *exporter) whiteout(file string) error {
	dir, _ := splitPath(file)
	fd, err := e.at.open(dir)
	if isGone(err) {
		return nil // its folder was removed meanwhile
	}
	if err != nil {
		return fmt.Errorf("open the folder of %q: %w", file, err)
	}
	folder, err := lstatAt(fd, "")
	if err != nil {
		return fmt.Errorf("stat the folder of %q: %w", file, err)
	}
	if err := e.tar.WriteHeader(whiteoutHeader(file, &folder)); err != nil {
		return fmt.Errorf("write the whiteout of %q to tar: %w", file, err)
	}
	return e.ctx.Err()
}

func readLink(dirfd int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dirfd, name, buf)
	if err != nil {
		return "", fmt.Errorf("read link: %w", err)
	}
	return string(buf[:n]), nil
}
