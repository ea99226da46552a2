package filesystem

import (
	"encoding/binary"
	"fmt"
	"io"
	"sort"
)

// Where XFS keeps its log, and what a record of it looks like: the XFS
// Algorithms & Data Structures manual, "Journaling Log". All is big endian.
const (
	xfsBlockSize   = 0x04
	xfsLogStart    = 0x30
	xfsAGBlocks    = 0x54
	xfsLogBlocks   = 0x60
	xfsAGBlocksLog = 0x7C
	xlogSector     = 512
	xlogMagic      = 0xFEEDBABE
	xlogCycle      = 4  // in a record's header; in all other sectors the cycle is at 0
	xlogLength     = 12 // of what follows a record's header, in bytes
	xlogOperations = 40
	xlogSize       = 320
	xlogHeaderSize = 32 << 10 // of log data that one sector of header describes
	xlogOpFlags    = 9
	xlogUnmount    = 0x20

	maxRecordSectors = (256<<10 + xlogHeaderSize) / xlogSector
)

// errXFSLog: the superblock places the log where it can't be.
var errXFSLog = fmt.Errorf("%w with a log where its superblock says", ErrNoFilesystem)

// XFSLogClean reports whether an XFS was unmounted, so that there is nothing in
// its log to replay: its last record says so. device is the whole filesystem.
// It reads some dozens of sectors, however long the log is.
func XFSLogClean(device io.ReaderAt) (bool, error) {
	super := make([]byte, SuperblockSize)
	if _, err := device.ReadAt(super, 0); err != nil {
		return false, fmt.Errorf("read xfs superblock: %w", err)
	}
	if string(super[:4]) != xfsMagic {
		return false, ErrNoFilesystem
	}
	l, err := newXFSLog(device, super)
	if err != nil {
		return false, err
	}
	head, err := l.head()
	if err != nil {
		return false, err
	}
	return l.endsInUnmount(head)
}

// xfsLog is a ring of sectors. Each carries the number of the round in which it
// was written, its cycle.
type xfsLog struct {
	device  io.ReaderAt
	start   int64 // byte on the device
	sectors int
}

func newXFSLog(device io.ReaderAt, super []byte) (*xfsLog, error) {
	u32 := func(at int) int64 { return int64(binary.BigEndian.Uint32(super[at:])) }
	first := binary.BigEndian.Uint64(super[xfsLogStart:])
	shift := super[xfsAGBlocksLog]
	if first == 0 || shift == 0 || shift > 31 {
		return nil, errXFSLog // an external log among others, which layers don't have
	}
	group, block := int64(first>>shift), int64(first&(1<<shift-1))
	l := &xfsLog{
		device:  device,
		start:   (group*u32(xfsAGBlocks) + block) * u32(xfsBlockSize),
		sectors: int(u32(xfsLogBlocks) * u32(xfsBlockSize) / xlogSector),
	}
	if l.sectors == 0 || l.start <= 0 {
		return nil, errXFSLog
	}
	return l, nil
}

func (l *xfsLog) sector(n int) ([]byte, error) {
	b := make([]byte, xlogSector)
	n = ((n % l.sectors) + l.sectors) % l.sectors
	if _, err := l.device.ReadAt(b, l.start+int64(n)*xlogSector); err != nil {
		return nil, fmt.Errorf("read xfs log: %w", err)
	}
	return b, nil
}

func isRecord(sector []byte) bool { return binary.BigEndian.Uint32(sector) == xlogMagic }

func (l *xfsLog) cycle(n int) (uint32, error) {
	b, err := l.sector(n)
	if err != nil {
		return 0, err
	}
	if isRecord(b) {
		return binary.BigEndian.Uint32(b[xlogCycle:]), nil
	}
	return binary.BigEndian.Uint32(b), nil
}

// head is where the next record would go: the first sector that is of an
// earlier round than the first of all.
func (l *xfsLog) head() (int, error) {
	first, err := l.cycle(0)
	if err != nil {
		return 0, err
	}
	head := sort.Search(l.sectors, func(n int) bool {
		if err != nil {
			return true
		}
		var c uint32
		c, err = l.cycle(n)
		return c != first
	})
	return head, err
}

// endsInUnmount looks at the record before the head, as the kernel does before
// it decides whether to replay: the record's length is that of its data and of
// what fills it up to the log's stripe unit, which mkfs takes from the pool's
// block size.
func (l *xfsLog) endsInUnmount(head int) (bool, error) {
	for n := head - 1; n >= head-maxRecordSectors; n-- {
		b, err := l.sector(n)
		if err != nil {
			return false, err
		}
		if !isRecord(b) {
			continue
		}
		data := n + headerSectors(b)
		end := data + (int(binary.BigEndian.Uint32(b[xlogLength:]))+xlogSector-1)/xlogSector
		if binary.BigEndian.Uint32(b[xlogOperations:]) != 1 || end != head {
			return false, nil
		}
		operation, err := l.sector(data)
		return err == nil && operation[xlogOpFlags]&xlogUnmount != 0, err
	}
	return false, nil
}

// headerSectors is how many sectors a record's header takes. Logs of version 1
// leave the field at 0.
func headerSectors(record []byte) int {
	size := int64(binary.BigEndian.Uint32(record[xlogSize:]))
	return max(1, int((size+xlogHeaderSize-1)/xlogHeaderSize))
}
