//go:build dmtest

package takeover

import (
	"encoding/binary"
	"io"
	"os"
	"testing"
)

// logged is an entry of the log that the kernel's log-writes target keeps.
type logged struct {
	at, data, length int64 // on the disk, and in the log
	flags            uint64
	mark             string
}

// Flags of an entry, as in the kernel's dm-log-writes.c.
const (
	flushed   = 1 << 0
	durable   = 1 << 1 // written through
	discarded = 1 << 2
	marked    = 1 << 3
)

const logSector = 512

// readWrites reads all entries. Each has a sector of its own, before its data.
func readWrites(t *testing.T, log *os.File) []logged {
	t.Helper()
	sector := make([]byte, logSector)
	read := func(at int64) {
		if _, err := log.ReadAt(sector, at); err != nil {
			t.Fatal(err)
		}
	}
	read(0)
	const magic = 0x6a736677736872
	if got := binary.LittleEndian.Uint64(sector); got != magic {
		t.Fatalf("the log begins with %#x", got)
	}
	count, size := binary.LittleEndian.Uint64(sector[16:]), binary.LittleEndian.Uint32(sector[24:])
	if size != logSector {
		t.Fatalf("the log has sectors of %d bytes", size)
	}
	var all []logged
	for at := int64(logSector); uint64(len(all)) < count; {
		read(at)
		number := func(n int) int64 { return int64(binary.LittleEndian.Uint64(sector[8*n:])) }
		w := logged{at: number(0) * logSector, data: at + logSector, length: number(1) * logSector, flags: uint64(number(2))}
		at = w.data
		switch {
		case w.flags&marked != 0:
			w.mark = string(sector[32 : 32+number(3)])
		case w.flags&discarded == 0:
			at += w.length
		}
		all = append(all, w)
	}
	return all
}

// repeat does to a disk what was done to the recorded one.
func repeat(t *testing.T, log, disk *os.File, w logged) {
	t.Helper()
	if w.flags&(marked|discarded) != 0 || w.length == 0 {
		return
	}
	if _, err := io.Copy(io.NewOffsetWriter(disk, w.at), io.NewSectionReader(log, w.data, w.length)); err != nil {
		t.Fatal(err)
	}
}
