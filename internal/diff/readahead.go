package diff

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Entries are looked at, and small files read, ahead of the tar: the disk works
// on several at once, and the tar has them in order. Batches spare most of what
// it costs to pass an entry from one goroutine to another, and the kernel reads
// all files of one while the first is waited for.
const (
	batchEntries = 16
	batchContent = 256 << 10 // read ahead in one batch
	batchesAhead = 4
	smallFile    = 64 << 10
)

// exportEntry is a path to be written, and after a look at it what is there.
type exportEntry struct {
	path    string
	kind    byte // unix.DT_*, DT_UNKNOWN if the folder wasn't read
	deleted bool
	found   *exported // nil for what can't be in a tar
	err     error
}

// batch is a run of entries.
type batch struct {
	entries []exportEntry
	buf     []byte // what small files hold
	ready   chan struct{}
}

// readAhead passes the entries that list finds to use, in the same order, after
// a look at each. It calls list in a goroutine of its own.
func (e *exporter) readAhead(list func(add func(exportEntry) error) error, use func(*exportEntry) error) error {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	a := ahead{ctx: ctx, todo: make(chan *batch), order: make(chan *batch, batchesAhead)}
	group.Go(func() error {
		defer close(a.order)
		defer close(a.todo)
		if err := list(a.add); err != nil {
			return err
		}
		return a.flush()
	})
	for range min(2*runtime.GOMAXPROCS(0), 2*batchesAhead) {
		group.Go(func() error { return e.lookAhead(a.todo) })
	}
	err := a.drain(use, cancel)
	if listErr := group.Wait(); err == nil {
		err = listErr
	}
	return err
}

// ahead carries batches from who lists to who looks and to who writes.
type ahead struct {
	ctx     context.Context
	todo    chan *batch // to be looked at
	order   chan *batch // to be written
	pending *batch
}

func (a *ahead) add(e exportEntry) error {
	if a.pending == nil {
		a.pending = &batch{entries: make([]exportEntry, 0, batchEntries), ready: make(chan struct{})}
	}
	a.pending.entries = append(a.pending.entries, e)
	if len(a.pending.entries) < batchEntries {
		return nil
	}
	return a.flush()
}

func (a *ahead) flush() error {
	b := a.pending
	a.pending = nil
	if b == nil {
		return nil
	}
	select {
	case a.todo <- b:
	case <-a.ctx.Done():
		return a.ctx.Err()
	}
	// Whoever is to write it waits for a look that is sure to come.
	a.order <- b
	return nil
}

// drain uses what was looked at. After an error it only closes it.
func (a *ahead) drain(use func(*exportEntry) error, cancel func()) (err error) {
	for b := range a.order {
		<-b.ready
		for i := range b.entries {
			if err == nil {
				err = use(&b.entries[i])
			}
			b.entries[i].close()
		}
		if err != nil {
			cancel()
		}
		putBuffer(b.buf)
	}
	return err
}

func (e *exportEntry) close() {
	if e.found != nil {
		e.found.close()
	}
}

// lookAhead looks at batches.
func (e *exporter) lookAhead(todo <-chan *batch) error {
	at := newCursor(e.at.top)
	defer at.close()
	for b := range todo {
		b.buf = getBuffer()
		for i := range b.entries {
			if x := &b.entries[i]; !x.deleted {
				x.found, x.err = e.examine(at, x)
				x.prefetch()
			}
		}
		for i := range b.entries {
			b.buf = b.entries[i].readSmall(b.buf)
		}
		close(b.ready)
	}
	return nil
}

// prefetch has the kernel read a file's beginning, without waiting for it.
func (e *exportEntry) prefetch() {
	if e.err == nil && e.found != nil && e.found.content != nil {
		e.found.content.prefetch(smallFile)
	}
}

// readSmall reads a small file's content to the end of buf, if there is room.
func (e *exportEntry) readSmall(buf []byte) []byte {
	if e.err != nil || e.found == nil || e.found.content == nil {
		return buf
	}
	size := e.found.stat.length()
	if size > smallFile || int(size) > cap(buf)-len(buf) {
		return buf
	}
	var small []byte
	small, e.err = e.found.content.readAll(buf[len(buf):][:size])
	return buf[:len(buf)+len(small)]
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, batchContent); return &b }}

func getBuffer() []byte  { return (*buffers.Get().(*[]byte))[:0] }
func putBuffer(b []byte) { buffers.Put(&b) }
