package crash

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

// flags of an entry.
type flags uint64

const (
	flagFlush   flags = 1 << iota // what was complete before is durable now
	flagFUA                       // durable itself
	flagDiscard                   // no data: the range holds nothing any more
	flagMark                      // no write, but a word of the workload's
)

func (f flags) has(other flags) bool { return f&other != 0 }

// entry is one recorded request. Sizes are in bytes.
type entry struct {
	flags  flags
	at     int64 // on the recorded disk
	length int64
	data   int64  // where its data is in the log
	mark   string // of an entry with flagMark
}

// writeLog is a recorded log.
type writeLog struct {
	source  io.ReaderAt
	entries []entry
}

// maxSectorSize bounds what a damaged superblock may claim.
const maxSectorSize = 1 << 16

// readLog reads the entries of a log; their data stays where it is.
func readLog(source io.ReaderAt) (*writeLog, error) {
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
	l := &writeLog{source: source}
	return l, l.readEntries(count, sector)
}

func (l *writeLog) readEntries(count uint64, sector int64) error {
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
		if !e.flags.has(flagDiscard) {
			at += e.length
		}
		l.entries = append(l.entries, e)
	}
	return nil
}

func parseEntry(block []byte, sector int64) (entry, error) {
	number := func(at int) uint64 { return binary.LittleEndian.Uint64(block[at:]) }
	const most = 1 << 40 // bytes: no disk of a test is larger
	if limit := uint64(most / sector); number(0) > limit || number(8) > limit {
		return entry{}, fmt.Errorf("%d sectors at sector %d are beyond any disk", number(8), number(0))
	}
	e := entry{flags: flags(number(16)), at: int64(number(0)) * sector, length: int64(number(8)) * sector}
	if e.flags.has(flagMark) {
		length := number(24)
		if length > uint64(len(block)-entrySize) {
			return entry{}, fmt.Errorf("a mark of %d bytes", length)
		}
		e.mark = strings.TrimRight(string(block[entrySize:entrySize+length]), "\x00")
	}
	return e, nil
}

// disk is where a log is replayed to.
type disk interface {
	io.WriterAt
	// Zero makes a range read as zeros.
	Zero(at, length int64) error
}

// apply repeats one entry.
func (l *writeLog) apply(to disk, e entry) error {
	switch {
	case e.flags.has(flagMark), e.length == 0:
		return nil
	case e.flags.has(flagDiscard):
		return to.Zero(e.at, e.length)
	}
	data := make([]byte, e.length)
	if _, err := l.source.ReadAt(data, e.data); err != nil {
		return fmt.Errorf("read %d bytes of the write log: %w", e.length, err)
	}
	_, err := to.WriteAt(data, e.at)
	return err
}
