package writelog

import (
	"fmt"
	"math/rand/v2"
)

// Moment says what of the last flush's interval a cut leaves.
type Moment string

// What a disk may have when its power fails.
const (
	// AtFlush: all before the flush is there, and what it wrote itself.
	AtFlush Moment = "at"
	// BeforeFlush: all that was complete before it, but not what it wrote.
	BeforeFlush Moment = "before"
	// Lossy: of what was written since the flush before this one some is lost
	// at random, as a disk may lose what it only cached. What was written
	// through is there.
	Lossy Moment = "lossy"
)

// Cut is one power cut: where in the log it falls.
type Cut struct {
	Entry int // index of the entry that flushes or is written through
	Kind  Moment

	since int // the last cut point before it
}

func (c Cut) String() string { return fmt.Sprintf("%s entry %d", c.Kind, c.Entry) }

// Certain is the number of entries that are there whole; Finish does the rest.
func (c Cut) Certain() int { return c.since + 1 }

// Cuts returns the power cuts that differ from each other: three for every
// entry that makes anything durable.
func (l *Log) Cuts() []Cut {
	var all []Cut
	last := -1
	for n, e := range l.Entries {
		if !e.Durable() {
			continue
		}
		all = append(all, Cut{n, AtFlush, last})
		if l.wroteBetween(last, n) {
			all = append(all, Cut{n, BeforeFlush, last}, Cut{n, Lossy, last})
		}
		// What is written through says nothing about what was written before it.
		if e.Flags.Has(Flush) {
			last = n
		}
	}
	return all
}

// wroteBetween tells whether there is anything to lose.
func (l *Log) wroteBetween(from, to int) bool {
	for _, e := range l.Entries[from+1 : to] {
		if !e.Flags.Has(Mark|FUA) && e.Length > 0 {
			return true
		}
	}
	return false
}

// ApplyAll repeats the entries from one index up to another.
func (l *Log) ApplyAll(to Disk, from, end int) error {
	for n := from; n < end; n++ {
		if err := l.Apply(to, l.Entries[n]); err != nil {
			return err
		}
	}
	return nil
}

// Finish turns a copy of the disk as of c.Certain() into what the cut left.
func (l *Log) Finish(copied Disk, c Cut, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, uint64(c.Entry)))
	for _, e := range l.Entries[c.Certain():c.Entry] {
		if c.Kind == Lossy && !e.Flags.Has(FUA|Mark) && random.IntN(2) == 0 {
			continue
		}
		if err := l.Apply(copied, e); err != nil {
			return err
		}
	}
	if c.Kind == AtFlush {
		return l.Apply(copied, l.Entries[c.Entry])
	}
	return nil
}
