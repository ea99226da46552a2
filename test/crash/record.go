//go:build dmtest

package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/dmthin/dmthin/test/writelog"
)

// recording is what a workload left: the disk as it was before, the log of all
// writes since, and what was asked for.
type recording struct {
	workload   workload
	blank      imageFile
	log        imageFile
	writes     *writeLog
	operations []operation
}

// logSize bounds what a workload can write. The file is sparse.
const logSize = 4 << 30

// blankDisk is a disk whose state part holds an empty filesystem.
func blankDisk(ctx context.Context, name string) (imageFile, error) {
	return onLab.blankDisk(ctx, name)
}

func (s setting) blankDisk(ctx context.Context, name string) (disk imageFile, err error) {
	if disk, err = newImage(name, s.stateSize+metadataSize+dataSize); err != nil {
		return disk, err
	}
	l, err := openLab(ctx, disk, nil)
	if err != nil {
		return disk, err
	}
	defer func() { err = errors.Join(err, l.close(ctx)) }()
	return disk, run(ctx, "mkfs.ext4", "-q", partPath("state"))
}

func run(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, out)
	}
	return nil
}

// workload says what to record.
type workload struct {
	on         setting
	seed       uint64
	clients    int         // at work at once
	operations int         // of each
	sizes      []string    // of layers that are made with one
	grow       bool        // the pool
	script     []operation // instead of these
	planted    string      // failpoints of the daemon
}

// record runs a workload on an empty disk, from the set-up of the pool to the
// daemon's end.
func record(ctx context.Context, w workload) (_ *recording, err error) {
	rec := &recording{workload: w}
	if rec.blank, err = w.on.blankDisk(ctx, "blank"); err != nil {
		return nil, err
	}
	disk, err := rec.blank.copyTo("recorded")
	if err != nil {
		return nil, err
	}
	defer disk.discard()
	if rec.log, err = newImage("log", logSize); err != nil {
		return nil, err
	}
	if rec.operations, err = w.run(ctx, disk, rec.log); err != nil {
		return nil, err
	}
	rec.writes, err = readLog(rec.log)
	return rec, err
}

// discard frees an image's memory.
func (f imageFile) discard() {
	_ = f.Close()
	_ = os.Remove(f.Name())
}

func (r *recording) discard() {
	r.blank.discard()
	r.log.discard()
}

func (w workload) run(ctx context.Context, disk, log imageFile) (_ []operation, err error) {
	l, err := openLab(ctx, disk, &log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close(ctx)) }()
	if err := mountState(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unmountState()) }()
	d, err := w.on.start(w.planted)
	if err != nil {
		return nil, err
	}
	r := &recorder{mark: mark}
	if err := errors.Join(d.init(), w.perform(d, r)); err != nil {
		return nil, errors.Join(err, d.end(syscall.SIGKILL), errors.New(d.tail()))
	}
	d.letGo()
	return r.operations, d.stop()
}

// perform has all clients do their operations.
func (w workload) perform(d *daemon, r *recorder) error {
	for _, o := range w.script {
		if err := r.perform(d, o); err != nil {
			return fmt.Errorf("%s: %w", o, err)
		}
	}
	var clients errgroup.Group
	for n := range w.clients {
		clients.Go(func() error {
			g := w.generator(n)
			for range w.operations {
				o := g.next()
				if err := r.perform(d, o); err != nil {
					return fmt.Errorf("%s: %w", o, err)
				}
			}
			return nil
		})
	}
	return clients.Wait()
}

// generator makes the one of the n-th client.
func (w workload) generator(n int) *generator {
	g := newGenerator(w.seed+uint64(n)*1000, string(rune('a'+n)))
	g.busy, g.grow = true, w.grow && n == 0
	if w.sizes != nil {
		g.sizes = w.sizes
	}
	return g
}

// afterSetUp returns the cuts that fall after the first operation's begin.
func (r *recording) afterSetUp() []writelog.Cut {
	all := r.writes.Cuts()
	for n, c := range all {
		if slices.Contains(r.writes.progressAt(c.Entry, len(r.operations)), underWay) {
			return all[n:]
		}
	}
	return nil
}
