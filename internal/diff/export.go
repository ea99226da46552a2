package diff

import (
	"archive/tar"
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

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
// newest is the newest modification time among the entries written, folders and
// whiteouts aside, with its fraction of a second; zero if there was none. The
// tar holds whole seconds, so a later change within that second can go unseen.
// It is the files' own claim and may lie in the future.
//
// The layer may change meanwhile. What is gone is left out; of a file that grows
// only the length in its header is written; a file that shrinks while it is read
// fails with ErrShrunk, since the promised bytes don't exist.
func WriteChanges(ctx context.Context, w io.Writer, layer string, changes []Change, ids IDMaps) (newest time.Time, err error) {
	changes = slices.SortedFunc(slices.Values(changes), comparePaths)
	return export(ctx, w, layer, ids, func(e *exporter) error {
		for _, c := range changes {
			if err := e.change(c); err != nil {
				return err
			}
		}
		return nil
	})
}

// export runs write with an exporter and finishes the tar.
func export(ctx context.Context, w io.Writer, layer string, ids IDMaps, write func(*exporter) error) (time.Time, error) {
	top, err := openTop(layer)
	if err != nil {
		return time.Time{}, err
	}
	defer closeFD(top)
	out := bufio.NewWriterSize(w, streamBuffer)
	e := &exporter{
		ctx: ctx, tar: tar.NewWriter(out), at: newCursor(top), ids: ids,
		links: make(map[inode]string), buf: make([]byte, streamBuffer),
	}
	defer e.at.close()
	if err := write(e); err != nil {
		return e.newest, err
	}
	if err := e.tar.Close(); err != nil {
		return e.newest, fmt.Errorf("finish tar: %w", err)
	}
	if err := out.Flush(); err != nil {
		return e.newest, fmt.Errorf("finish tar: %w", err)
	}
	return e.newest, nil
}

// inode identifies a file with several names.
type inode struct {
	number       uint64
	major, minor uint32
}

// exporter writes entries of one layer to a tar.
type exporter struct {
	ctx    context.Context
	tar    *tar.Writer
	at     *cursor
	ids    IDMaps
	links  map[inode]string // the name under which a file with several was written
	newest time.Time
	buf    []byte
}

func (e *exporter) change(c Change) error {
	if c.Kind == Deleted {
		return e.whiteout(c.Path)
	}
	_, err := e.entry(c.Path)
	return err
}

// entry writes the absolute path and says whether it is a folder. Sockets and
// what is gone are left out.
func (e *exporter) entry(file string) (isDir bool, err error) {
	if err := e.ctx.Err(); err != nil {
		return false, err
	}
	x, err := e.examine(file)
	if isGone(err) {
		return false, nil
	}
	if err == nil && x != nil {
		defer x.close()
		isDir, err = x.stat.isDir(), e.write(x)
	}
	if err != nil {
		return false, fmt.Errorf("write %q to tar: %w", file, err)
	}
	return isDir, nil
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
func (e *exporter) examine(file string) (x *exported, err error) {
	dir, name := splitPath(file)
	fd, err := e.at.open(dir)
	if err != nil {
		return nil, err
	}
	x = &exported{}
	if x.stat, err = lstatAt(fd, name); err != nil || x.stat.isSocket() {
		return nil, err
	}
	if x.stat.isRegular() {
		if x.content, err = openContent(fd, name); err != nil {
			return nil, err
		}
		x.stat = x.content.stat
	}
	if x.header, err = e.header(fd, name, file, &x.stat); err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

func (e *exporter) write(x *exported) error {
	if !x.stat.isDir() && x.stat.modified().After(e.newest) {
		e.newest = x.stat.modified()
	}
	if err := e.tar.WriteHeader(x.header); err != nil {
		return err
	}
	if x.header.Typeflag != tar.TypeReg {
		return nil
	}
	return x.content.copyTo(e.ctx, e.tar, e.buf)
}

func (e *exporter) header(dirfd int, name, file string, s *stat) (h *tar.Header, err error) {
	h = newHeader(strings.TrimPrefix(file, "/"), s)
	if s.isSymlink() {
		if h.Linkname, err = readLink(dirfd, name); err != nil {
			return nil, err
		}
	}
	value, err := capability(dirfd, name)
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
	if !s.isDir() && s.Nlink > 1 {
		e.link(h, inode{s.Ino, s.Dev_major, s.Dev_minor})
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
