package diff

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// dirent is one name of a folder, what it stands for and, where the filesystem
// says so, its type.
type dirent struct {
	name  string
	inode uint64
	kind  byte // unix.DT_*
}

// direntBuffer is how much of a folder is asked for at once.
const direntBuffer = 32 << 10

// readFolder returns the names in a folder, sorted.
func readFolder(fd int, buf []byte) ([]dirent, error) {
	var entries []dirent
	for {
		n, err := unix.Getdents(fd, buf)
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			break
		}
		entries = parseDirents(buf[:n], entries)
	}
	slices.SortFunc(entries, func(a, b dirent) int { return cmp.Compare(a.name, b.name) })
	// A folder that changes while it is read may name an entry twice.
	return slices.CompactFunc(entries, func(a, b dirent) bool { return a.name == b.name }), nil
}

// parseDirents reads linux_dirent64 records: inode and offset (8 bytes each),
// record length (2), type (1), name up to a zero byte.
func parseDirents(buf []byte, entries []dirent) []dirent {
	const inodeAt, lengthAt, typeAt, nameAt = 0, 16, 18, 19
	for len(buf) > nameAt {
		length := int(binary.NativeEndian.Uint16(buf[lengthAt:]))
		if length <= nameAt || length > len(buf) {
			break
		}
		name, _, _ := bytes.Cut(buf[nameAt:length], []byte{0})
		if s := string(name); s != "." && s != ".." {
			entries = append(entries, dirent{name: s, inode: binary.NativeEndian.Uint64(buf[inodeAt:]), kind: buf[typeAt]})
		}
		buf = buf[length:]
	}
	return entries
}
