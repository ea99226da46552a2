package writelog

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// Request is one for a log that a test makes up. Its data is one sector at most.
type Request struct {
	Flags Flags
	At    int64 // sectors
	Data  string
	Mark  string
}

// Sector is the size of those in logs that Make makes, in bytes.
const Sector = 64

// Make writes a log as the kernel would.
func Make(requests ...Request) []byte {
	var log bytes.Buffer
	sector := func(fields ...any) {
		var block bytes.Buffer
		for _, f := range fields {
			_ = binary.Write(&block, binary.LittleEndian, f) // to memory: never fails
		}
		log.Write(append(block.Bytes(), make([]byte, Sector-block.Len())...))
	}
	sector(uint64(logMagic), uint64(logVersion), uint64(len(requests)), uint32(Sector))
	for _, r := range requests {
		length := uint64(len(r.Data) / Sector)
		if r.Flags.Has(Discard) {
			length = 1
		}
		sector(uint64(r.At), length, uint64(r.Flags), uint64(len(r.Mark)), []byte(r.Mark))
		log.WriteString(r.Data)
	}
	return log.Bytes()
}

// Block is a sector full of one letter.
func Block(letter string) string { return strings.Repeat(letter, Sector) }

// Memory is a small disk, for logs of Make.
type Memory struct{ data []byte }

// NewMemory returns a disk of so many sectors, which hold dots.
func NewMemory(sectors int) *Memory { return &Memory{bytes.Repeat([]byte("."), sectors*Sector)} }

// WriteAt writes within the disk.
func (m *Memory) WriteAt(p []byte, at int64) (int, error) { return copy(m.data[at:], p), nil }

// Zero makes a range read as zeros.
func (m *Memory) Zero(at, length int64) error {
	clear(m.data[at : at+length])
	return nil
}

// String is a letter a sector.
func (m *Memory) String() string {
	var s strings.Builder
	for at := 0; at < len(m.data); at += Sector {
		letter := m.data[at]
		if letter == 0 {
			letter = '0'
		}
		s.WriteByte(letter)
	}
	return s.String()
}
