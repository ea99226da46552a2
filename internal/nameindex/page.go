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

// parsePage returns the entries of a page, or nothing if it is damaged.
func parsePage(b []byte) []Entry {
	if len(b) != pageSize || binary.LittleEndian.Uint32(b[magicAt:]) != magic ||
		binary.LittleEndian.Uint32(b) != crc32.Checksum(b[magicAt:], castagnoli) {
		return nil
	}
	entries := make([]Entry, 0, binary.LittleEndian.Uint16(b[countAt:]))
	var last Entry
	for b = b[entriesAt:]; len(entries) < cap(entries); {
		var field [3]uint64 // inode, shared, rest
		for i := range field {
			value, n := binary.Uvarint(b)
			if n <= 0 {
				return nil
			}
			field[i], b = value, b[n:]
		}
		if field[1] > uint64(len(last.Name)) || field[2] > uint64(len(b)) {
			return nil
		}
		last = Entry{last.Inode + field[0], last.Name[:field[1]] + string(b[:field[2]])}
		entries, b = append(entries, last), b[field[2]:]
	}
	return entries
}
