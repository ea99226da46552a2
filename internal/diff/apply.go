package diff

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// ErrOutside means that a name or a hard link in a tar points out of the layer.
var ErrOutside = errors.New("points outside of the layer")

// Apply unpacks a layer's tar onto the layer in dir: entries replace what has
// their name, folders merge, whiteouts and opaque marks remove. The size is the
// sum of the entries' sizes, as Docker counts it. The stream is read to its end,
// past the end of the archive.
//
// Links in the layer resolve as they would for a process chrooted into it. Modes
// are set exactly, whatever the umask. Times before 1970 become 1970, and
// extended attributes that the filesystem refuses are left out with a warning,
// both as Docker does.
//
// Nothing else may change the layer meanwhile. After an error it is half
// unpacked. Names that lead outside fail with ErrOutside; errors of reading the
// stream are wrapped. Changing owners and making devices takes root.
func Apply(ctx context.Context, dir string, stream io.Reader, ids IDMaps) (size int64, err error) {
	unpacked, err := ApplyNoting(ctx, dir, stream, ids, func(uint64, string) {})
	return unpacked.Size, err
}

// Unpacked is what Apply made of a tar.
type Unpacked struct {
	Size int64 // the sum of the entries' sizes, as Docker counts it
	// Newest is the newest modification time among the files, zero if there are
	// none. It is the tar's own claim and may lie in the future.
	Newest time.Time
	// Fractions says that the filesystem keeps those of seconds: it has given some
	// to a file. Times in layer tars have none, so on one that doesn't keep them
	// a later change within the second of a file can go unseen.
	Fractions bool
}

// Note is told which inode an entry was unpacked to, and its name relative to
// the layer's folder. Later entries may replace what it was told of.
type Note func(inode uint64, name string)

// ApplyNoting is Apply, with notes of what was unpacked.
func ApplyNoting(ctx context.Context, dir string, stream io.Reader, ids IDMaps, note Note) (Unpacked, error) {
	u, err := newUnpacker(ctx, dir, ids)
	if err != nil {
		return Unpacked{}, err
	}
	u.note = note
	defer u.close()
	body := bufio.NewReaderSize(contextReader{ctx, stream}, streamBuffer)
	if err := u.unpack(tar.NewReader(body)); err != nil {
		return Unpacked{}, err
	}
	// Whoever writes the stream may compute a digest over all of it, padding
	// included, and must not find the pipe closed.
	if _, err := io.Copy(io.Discard, body); err != nil {
		return Unpacked{}, fmt.Errorf("read past the end of the layer tar: %w", err)
	}
	if err := u.setFolderTimes(); err != nil {
		return Unpacked{}, err
	}
	u.warnDropped(dir)
	return u.done, nil
}

// unpacker unpacks one tar.
type unpacker struct {
	ctx  context.Context
	dir  string
	root *os.File
	ids  IDMaps
	note Note
	done Unpacked
	buf  []byte

	at          parentFolder
	unpacked    map[string]struct{} // resolved names from this tar and the folders above them
	folderTimes map[string]times    // set at the end, when nothing changes the folders any more
	pool        *linkSpool          // aufs's hard links, nil until one is seen

	dropped      int // extended attributes left out
	firstDropped error
}

func newUnpacker(ctx context.Context, dir string, ids IDMaps) (*unpacker, error) {
	top, err := openTop(dir)
	if err != nil {
		return nil, err
	}
	return &unpacker{
		ctx: ctx, dir: dir, root: os.NewFile(uintptr(top), dir), ids: ids,
		buf:         make([]byte, streamBuffer),
		unpacked:    make(map[string]struct{}),
		folderTimes: make(map[string]times),
	}, nil
}

func (u *unpacker) close() {
	u.at.close()
	u.pool.close()
	_ = u.root.Close()
}

func (u *unpacker) unpack(tr *tar.Reader) error {
	last := ""
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		// ErrInsecurePath comes with a header. What is insecure, entry decides.
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			if last == "" {
				return fmt.Errorf("read the layer tar's first entry: %w", err)
			}
			return fmt.Errorf("read the layer tar after entry %q: %w", last, err)
		}
		if err := u.entry(h, tr); err != nil {
			return fmt.Errorf("unpack %q: %w", h.Name, err)
		}
		last = h.Name
	}
}

func (u *unpacker) entry(h *tar.Header, body io.Reader) error {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	if h.Size < 0 || u.done.Size > math.MaxInt64-h.Size {
		return fmt.Errorf("size %d is out of range", h.Size)
	}
	u.done.Size += h.Size
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name := path.Clean(strings.TrimLeft(h.Name, "/"))
	if !filepath.IsLocal(name) {
		return ErrOutside
	}
	if name == "." {
		return u.top(h)
	}
	if strings.HasPrefix(name, metadataPrefix) && name != opaqueName {
		return u.aufsMetadata(h, name, body)
	}
	dir, base := path.Dir(name), path.Base(name)
	at, err := u.openParent(dir)
	if err != nil {
		return fmt.Errorf("open its folder: %w", err)
	}
	switch {
	case base == opaqueName:
		return u.clearFolder(at)
	case strings.HasPrefix(base, whiteoutPrefix):
		return u.whiteout(at, strings.TrimPrefix(base, whiteoutPrefix))
	}
	if h.Typeflag != tar.TypeDir && h.ModTime.After(u.done.Newest) {
		u.done.Newest = h.ModTime
	}
	return u.place(node{at.fd(), base, path.Join(at.real, base), 0}, h, body)
}

// top applies the entry for the layer's own folder, which exists.
func (u *unpacker) top(h *tar.Header) error {
	if h.Typeflag != tar.TypeDir {
		return errors.New("the top of a layer can only be a folder")
	}
	n := node{int(u.root.Fd()), ".", ".", 0}
	u.folderTimes["."] = headerTimes(h)
	return u.setMetadata(n, h)
}

func (u *unpacker) warnDropped(dir string) {
	if u.dropped > 0 {
		logrus.WithField("layer", dir).WithError(u.firstDropped).
			Warnf("%d extended attributes could not be set and were left out", u.dropped)
	}
}
