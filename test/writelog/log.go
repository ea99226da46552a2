// Package writelog reads the logs in which the kernel's log-writes target, and
// QEMU's blklogwrites, record all that is written to a disk, for tests that cut
// the power: the disk as of any entry is made of those before it.
//
// Here belong the format and what cuts can leave. What must be there then is for
// each test.
package writelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The format of the kernel's log-writes target and of QEMU's blklogwrites: a
// superblock, then entries, each in a sector of its own and followed by what
// it wrote. All numbers are little-endian.
const (
	logMagic   = 0x6a736677736872
	logVersion = 1
	entrySize  = 32
)

// Flags say what kind of request an entry is.
type Flags uint64

// The kinds of requests; one may be of several.
const (
	Flush   Flags = 1 << iota // what was complete before is durable now
	FUA                       // durable itself
	Discard                   // no data: the range holds nothing any more
	Mark                      // no write, but a word of the workload's
)

// Has tells whether f has any of the others.
func (f Flags) Has(other Flags) bool { return f&other != 0 }

// Entry is one recorded request. Sizes are in bytes.
type Entry struct {
	Flags  Flags
	At     int64 // on the recorded disk
	Length int64
	Mark   string // of an entry with the flag Mark

	data int64 // where its data is in the log
}

// Durable tells whether the entry makes anything durable.
func (e Entry) Durable() bool { return !e.Flags.Has(Mark) && e.Flags.Has(Flush|FUA) }

// Log is a recorded log.
type Log struct {
	Entries []Entry

	source io.ReaderAt
}

// maxSectorSize bounds what a damaged superblock may claim.
const maxSectorSize = 1 << 16

// Read reads the entries of a log; their data stays where it is. A log that is
// damaged is an error.
func Read(source io.ReaderAt) (*Log, error) {
	head := make([]byte, 28)
	if _, err := source.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read the superblock of the write log: %w", err)
	}
	if magic := binary.LittleEndian.Uint64(head); magic != logMagic {
		return nil, fmt.Errorf("no write log: its magic number is %#x", magic)
	}
	if version := binary.LittleEndian.Uint64(head[8:]); version != logVersion {
		return nil, fmt.Errorf("write log of unknown version %d", version)
	}
	count := binary.LittleEndian.Uint64(head[16:])
	sector := int64(binary.LittleEndian.Uint32(head[24:]))
	if sector < entrySize || sector > maxSectorSize {
		return nil, fmt.Errorf("write log with sectors of %d bytes", sector)
	}
	l := &Log{source: source}
	return l, l.readEntries(count, sector)
}

func (l *Log) readEntries(count uint64, sector int64) error {
	block := make([]byte, sector)
	at := sector
	for n := range count {
		if read, err := l.source.ReadAt(block, at); err != nil && (read < entrySize || !errors.Is(err, io.EOF)) {
			return fmt.Errorf("read entry %d of %d of the write log: %w", n, count, err)
		}
		e, err := parseEntry(block, sector)
		if err != nil {
			return fmt.Errorf("entry %d of %d of the write log: %w", n, count, err)
		}
		e.data = at + sector
		at += sector
		if !e.Flags.Has(Discard) {
			at += e.Length
		}
		l.Entries = append(l.Entries, e)
	}
	return nil
}

func parseEntry(block []byte, sector int64) (Entry, error) {
	number := func(at int) uint64 { return binary.LittleEndian.Uint64(block[at:]) }
	const most = 1 << 40 // bytes: no disk of a test is larger
	if limit := uint64(most / sector); number(0) > limit || number(8) > limit {
		return Entry{}, fmt.Errorf("%d sectors at sector %d are beyond any disk", number(8), number(0))
	}
	e := Entry{Flags: Flags(number(16)), At: int64(number(0)) * sector, Length: int64(number(8)) * sector}
	if e.Flags.Has(Mark) {
		length := number(24)
		if length > uint64(len(block)-entrySize) {
			return Entry{}, fmt.Errorf("a mark of %d bytes", length)
		}
		e.Mark = strings.TrimRight(string(block[entrySize:entrySize+length]), "\x00")
	}
	return e, nil
}

// Disk is where a log is replayed to.
type Disk interface {
	io.WriterAt
	// Zero makes a range read as zeros.
	Zero(at, length int64) error
}

// Apply repeats one entry of the log.
func (l *Log) Apply(to Disk, e Entry) error {
	switch {
	case e.Flags.Has(Mark), e.Length == 0:
		return nil
	case e.Flags.Has(Discard):
		return to.Zero(e.At, e.Length)
	}
	data := make([]byte, e.Length)
	if _, err := l.source.ReadAt(data, e.data); err != nil {
		return fmt.Errorf("read %d bytes of the write log: %w", e.Length, err)
	}
	_, err := to.WriteAt(data, e.At)
	return err
}
