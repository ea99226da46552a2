package nameindex

import (
	"encoding/binary"
	"hash/crc32"
)

// An index is a row of pages, sorted by inode. Each stands for itself:
//
//	0  checksum of what follows, crc32c
//	4  magic
//	8  entries, 16 bits
//	10 for each: inode less the one before, length of the prefix that its name
//	   shares with the one before, length of the rest (varints), the rest
//
// Inodes are handed out in the order of a tar, so names that follow one another
// share most of their path.
const (
	pageSize   = 4096
	magicAt    = 4
	countAt    = 8
	entriesAt  = 10
	magic      = 0x316d6e64 // "dnm1"
	maxName    = 2048       // longer ones are left out
	maxVarints = 3 * binary.MaxVarintLen64
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// page is one being filled.
type page struct {
	buf   [pageSize]byte
	used  int
	count int
	last  Entry
}

// add appends an entry, unless the page has no room for it.
func (p *page) add(e Entry) bool {
	if p.count == 0 {
		p.used, p.last = entriesAt, Entry{}
	}
	shared := commonPrefix(p.last.Name, e.Name)
	rest := e.Name[shared:]
	if p.used+maxVarints+len(rest) > pageSize {
		return false
	}
	b := binary.AppendUvarint(p.buf[:p.used], e.Inode-p.last.Inode)
	b = binary.AppendUvarint(b, uint64(shared))
	b = binary.AppendUvarint(b, uint64(len(rest)))
	p.used = len(append(b, rest...))
	p.last = e
	p.count++
	return true
}

// seal returns the page's bytes and makes it empty.
func (p *page) seal() []byte {
	clear(p.buf[p.used:])
	binary.LittleEndian.PutUint32(p.buf[magicAt:], magic)
	binary.LittleEndian.PutUint16(p.buf[countAt:], uint16(p.count))
	binary.LittleEndian.PutUint32(p.buf[:], crc32.Checksum(p.buf[magicAt:], castagnoli))
	p.count = 0
	return p.buf[:]
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// whole reports whether a page is undamaged and holds something.
func whole(b []byte) bool {
	return len(b) == pageSize && binary.LittleEndian.Uint32(b[magicAt:]) == magic &&
		binary.LittleEndian.Uint32(b) == crc32.Checksum(b[magicAt:], castagnoli) &&
		binary.LittleEndian.Uint16(b[countAt:]) > 0
}

// firstInode is that of a whole page's first entry.
func firstInode(b []byte) uint64 {
	inode, _ := binary.Uvarint(b[entriesAt:])
	return inode
}

// search appends the names of one inode in a whole page, and tells whether the
// pages behind may have more.
func search(b []byte, inode uint64, names []string) (_ []string, more bool) {
	var name []byte
	at := uint64(0)
	count := binary.LittleEndian.Uint16(b[countAt:])
	for b = b[entriesAt:]; count > 0; count-- {
		var field [3]uint64 // inode, shared, rest
		for i := range field {
			value, n := binary.Uvarint(b)
			if n <= 0 {
				return names, false
			}
			field[i], b = value, b[n:]
		}
		shared, rest := field[1], field[2]
		if shared > uint64(len(name)) || rest > uint64(len(b)) {
			return names, false
		}
		at += field[0]
		name = append(name[:shared], b[:rest]...)
		b = b[rest:]
		if at > inode {
			return names, false
		}
		if at == inode {
			names = append(names, string(name))
		}
	}
	return names, true
}
