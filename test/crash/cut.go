package crash

import (
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/dmthin/dmthin/test/writelog"
)

// writeLog is all that was written to the disk, with marks between.
type writeLog struct{ *writelog.Log }

// moment says what of the last flush's interval a cut leaves.
type moment string

const (
	// atFlush: all before the flush is there, and what it wrote itself.
	atFlush moment = "at"
	// beforeFlush: all that was complete before it, but not what it wrote.
	beforeFlush moment = "before"
	// lossy: of what was written since the flush before this one some is lost
	// at random, as a disk may lose what it only cached. What was written
	// through is there.
	lossy moment = "lossy"
)

// cut is one power cut: where in the log it falls.
type cut struct {
	entry int // index of the entry that flushes or is written through
	since int // the last cut point before it
	kind  moment
}

func (c cut) String() string { return fmt.Sprintf("%s entry %d", c.kind, c.entry) }

// acknowledged is the number of entries whose marks had been written when the
// power went.
func (c cut) acknowledged() int { return c.entry }

func readLog(source io.ReaderAt) (*writeLog, error) {
	l, err := writelog.Read(source)
	return &writeLog{l}, err
}

// cuts returns the power cuts that differ from each other: three for every
// entry that makes anything durable.
func (l *writeLog) cuts() []cut {
	var all []cut
	last := -1
	for n, e := range l.Entries {
		if !e.Durable() {
			continue
		}
		at := cut{entry: n, since: last, kind: atFlush}
		all = append(all, at)
		if l.wroteBetween(last, n) {
			all = append(all, cut{n, last, beforeFlush}, cut{n, last, lossy})
		}
		// What is written through says nothing about what was written before it.
		if e.Flags.Has(writelog.Flush) {
			last = n
		}
	}
	return all
}

// wroteBetween tells whether there is anything to lose.
func (l *writeLog) wroteBetween(from, to int) bool {
	for _, e := range l.Entries[from+1 : to] {
		if !e.Flags.Has(writelog.Mark|writelog.FUA) && e.Length > 0 {
			return true
		}
	}
	return false
}

// replay follows a log forward: base is the disk as of all entries up to done.
type replay struct {
	log  *writeLog
	base writelog.Disk
	done int // entries applied
}

// advance applies all entries before the index end.
func (r *replay) advance(end int) error {
	for ; r.done < end; r.done++ {
		if err := r.log.Apply(r.base, r.log.Entries[r.done]); err != nil {
			return err
		}
	}
	return nil
}

// certain is how far base may be advanced for a cut; the rest goes to a copy.
func (c cut) certain() int { return c.since + 1 }

// finish turns a copy of the base at c.certain() into what the cut left.
func (l *writeLog) finish(copied writelog.Disk, c cut, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, uint64(c.entry)))
	for _, e := range l.Entries[c.certain():c.entry] {
		if c.kind == lossy && !e.Flags.Has(writelog.FUA|writelog.Mark) && random.IntN(2) == 0 {
			continue
		}
		if err := l.Apply(copied, e); err != nil {
			return err
		}
	}
	if c.kind == atFlush {
		return l.Apply(copied, l.Entries[c.entry])
	}
	return nil
}
