package diff

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// maxWorkers bounds how many folders are compared at once. Beyond a few, the
// disk is the limit.
const maxWorkers = 8

// workers is how many there are. Where all folders are listed, that keeps as many
// CPUs busy; of those with seeds each is one or two reads of a disk to wait for.
func (w *walk) workers() int {
	if w.seeds != nil {
		return min(len(w.pending), maxWorkers)
	}
	return min(runtime.GOMAXPROCS(0), maxWorkers)
}

// Changes lists what differs between the layer in one folder and its parent in
// another, sorted by path; with parent "", everything in the layer. It finds
// what Docker's own comparison finds, and also files that only got another name.
// Content that changed with neither size nor time is not seen. A folder with
// changes below it is listed as Modified.
//
// The layer may change meanwhile; the parent should not. Memory grows with the
// number of changes, not with the size of the layers.
func Changes(ctx context.Context, layer, parent string) ([]Change, error) {
	return newWalk(ctx, layer, parent).changes()
}

// folder is a folder of the layer still to be compared. Only names are kept, so
// that the queue stays small in deep trees.
type folder struct {
	up    *folder
	name  string // or, of one that has seeds, a path
	is    relation
	seeds []dirent // the suspects in it, if it need not be listed
}

// path returns the folder's path relative to the layer.
func (f *folder) path() string {
	if f.up == nil {
		return "."
	}
	size := -1
	for d := f; d.up != nil; d = d.up {
		size += len(d.name) + 1
	}
	b := make([]byte, size)
	for d := f; d.up != nil; d = d.up {
		size -= len(d.name)
		copy(b[size:], d.name)
		if size > 0 {
			size--
			b[size] = '/'
		}
	}
	return string(b)
}

// tree is one of the two trees: the folder at its top.
type tree struct {
	path string
	fd   int // -1 if there is none
}

// walk is one comparison: a stack of folders and the workers that empty it.
type walk struct {
	ctx           context.Context
	layer, parent tree
	suspects      Suspects  // nil: everything may differ
	seeds         []*folder // where all suspects are, nil if that is not known

	mu      sync.Mutex // protects everything below
	wake    sync.Cond
	pending []*folder
	busy    int // folders taken from pending and not done
	found   []Change
}

func newWalk(ctx context.Context, layer, parent string) *walk {
	w := &walk{ctx: ctx, layer: tree{layer, -1}, parent: tree{parent, -1}}
	w.wake.L = &w.mu
	return w
}

// changes does the walk.
func (w *walk) changes() ([]Change, error) {
	defer w.close()
	top, err := w.open()
	if err != nil {
		return nil, err
	}
	if w.seeds == nil || top.is != isOneNode {
		w.pending = append(w.pending, top)
	}
	w.pending = append(w.pending, w.seeds...)
	if err := w.run(); err != nil {
		return nil, err
	}
	return withFolders(w.found), nil
}

// open opens both trees and returns the folder to begin with.
func (w *walk) open() (top *folder, err error) {
	if w.layer.fd, err = openTop(w.layer.path); err != nil {
		return nil, err
	}
	if w.parent.path == "" {
		return &folder{is: isNew}, nil
	}
	after, err := lstatAt(w.layer.fd, "")
	if err != nil {
		return nil, fmt.Errorf("stat layer folder %s: %w", w.layer.path, err)
	}
	if w.parent.fd, err = openTop(w.parent.path); err != nil {
		return nil, err
	}
	before, err := lstatAt(w.parent.fd, "")
	if err != nil {
		return nil, fmt.Errorf("stat layer folder %s: %w", w.parent.path, err)
	}
	if after.Ino == before.Ino && !w.suspects.has(after.Ino) {
		return &folder{is: isOneNode}, nil
	}
	return &folder{is: relate(&after, &before)}, nil
}

func (w *walk) close() {
	for _, t := range []tree{w.layer, w.parent} {
		if t.fd >= 0 {
			closeFD(t.fd)
		}
	}
}

// run empties the stack.
func (w *walk) run() error {
	group, ctx := errgroup.WithContext(w.ctx)
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.wake.Broadcast()
	})
	defer stop()
	for range w.workers() {
		group.Go(func() error { return w.work(ctx) })
	}
	return group.Wait()
}

// work compares folders until there are none left. The last in goes first,
// which keeps the stack as small as a walk by one worker would.
func (w *walk) work(ctx context.Context) error {
	v := visitor{walk: w, buf: make([]byte, direntBuffer)}
	for {
		f := w.take(ctx)
		if f == nil {
			break
		}
		err := v.visit(f)
		w.done(v.found)
		v.found = v.found[:0]
		if err != nil {
			return fmt.Errorf("compare folder %q: %w", f.path(), err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found = append(w.found, v.changes...)
	return ctx.Err()
}

func (w *walk) take(ctx context.Context) *folder {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.pending) == 0 && w.busy > 0 && ctx.Err() == nil {
		w.wake.Wait()
	}
	if len(w.pending) == 0 || ctx.Err() != nil {
		return nil
	}
	last := len(w.pending) - 1
	f := w.pending[last]
	w.pending = w.pending[:last]
	w.busy++
	return f
}

func (w *walk) done(found []*folder) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = append(w.pending, found...)
	w.busy--
	w.wake.Broadcast()
}
