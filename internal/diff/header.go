package diff

import (
	"archive/tar"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Names with a meaning of their own in layer tars. Docker took them from aufs.
const (
	whiteoutPrefix = ".wh."                                   // .wh.NAME removes NAME
	metadataPrefix = whiteoutPrefix + whiteoutPrefix          // aufs's own, at the top
	opaqueName     = whiteoutPrefix + whiteoutPrefix + ".opq" // removes what is below the folder
	linkPool       = whiteoutPrefix + whiteoutPrefix + "plnk"
)

// paxXattr starts the PAX records that carry extended attributes.
const paxXattr = "SCHILY.xattr."

// newHeader describes an entry as Docker's exporter does, so that the digests
// of layers stay what they would be there: PAX where ustar is too narrow, whole
// seconds, no access and change times, no user and group names. A link target
// and the capability are filled in by the caller.
func newHeader(name string, s *stat) *tar.Header {
	h := &tar.Header{
		Format:  tar.FormatPAX,
		Name:    name,
		Mode:    s.permissions(),
		Uid:     int(s.Uid),
		Gid:     int(s.Gid),
		ModTime: s.modified().Truncate(time.Second),
	}
	switch s.format() {
	case unix.S_IFREG:
		h.Typeflag = tar.TypeReg
		h.Size = s.length()
	case unix.S_IFDIR:
		h.Typeflag = tar.TypeDir
		h.Name += "/"
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		h.Typeflag = tar.TypeChar
		if s.format() == unix.S_IFBLK {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor = int64(s.Rdev_major)
		h.Devminor = int64(s.Rdev_minor)
	}
	return h
}

// whiteoutHeader marks the removal of an absolute path. Docker stamps it with
// the clock; the time of the folder, which the removal set, makes the tar of an
// unchanged layer the same every time.
func whiteoutHeader(file string, folder *stat) *tar.Header {
	dir, name := path.Split(strings.TrimPrefix(file, "/"))
	return &tar.Header{
		Typeflag: tar.TypeReg,
		Name:     dir + whiteoutPrefix + name,
		ModTime:  folder.modified().Truncate(time.Second),
	}
}
