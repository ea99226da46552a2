//go:build dmtest

package crash

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"
)

// parallelWork is what three clients do while a failpoint waits for them. All
// steps of the write protocol are in it, and a snapshot of a mounted layer.
var parallelWork = [][]operation{
	{
		{verb: create, layer: "a1"},
		{verb: fill, layer: "a1", files: map[string]string{"x": "1", "y": "2"}},
		{verb: create, layer: "a2", parent: "a1"},
		{verb: write, layer: "a2", files: map[string]string{"z": "3"}},
		{verb: remove, layer: "a2"},
	}, {
		{verb: create, layer: "b1", size: "48M"},
		{verb: write, layer: "b1", files: map[string]string{"x": "1"}},
		{verb: remove, layer: "b1"},
		{verb: create, layer: "b1"},
	}, {
		{verb: create, layer: "c1", size: "96M"},
		{verb: remove, layer: "old"},
		{verb: create, layer: "c2", parent: witnessLayer},
		{verb: create, layer: "c3"},
		{verb: remove, layer: "c3"},
	},
}

// before are the layers that exist when the work begins.
var before = []operation{
	{verb: create, layer: witnessLayer},
	{verb: create, layer: "old"},
	{verb: write, layer: "old", files: map[string]string{"x": "1"}},
}

// preparedDisk has a pool with the layers of before, and no daemon.
func preparedDisk(t *testing.T) imageFile {
	t.Helper()
	disk, err := blankDisk(t.Context(), "prepared")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(disk.discard)
	onDisk(t, disk, func() {
		d, err := startDaemon("")
		if err != nil {
			t.Fatal(err)
		}
		if err := d.init(); err != nil {
			t.Fatal(err)
		}
		for _, o := range before {
			if err := d.perform(o); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
	})
	return disk
}

// onDisk attaches a disk and mounts its state for as long as do takes.
func onDisk(t *testing.T, disk imageFile, do func()) {
	t.Helper()
	onParts(t, disk, func(*lab) { do() })
}

// onParts is onDisk for what does something to the disk's parts.
func onParts(t *testing.T, disk imageFile, do func(*lab)) {
	t.Helper()
	l, err := openLab(t.Context(), disk, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(runDir + "/init.json")
	defer func() {
		if err := errors.Join(unmountState(), l.close(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	if err := mountState(); err != nil {
		t.Fatal(err)
	}
	do(l)
}

// work has all clients do theirs; each stops at its first failure. What was
// not acknowledged counts as under way.
func work(d *daemon, r *recorder) []progress {
	var clients errgroup.Group
	for _, operations := range parallelWork {
		clients.Go(func() error {
			for _, o := range operations {
				if err := r.perform(d, o); err != nil {
					return err
				}
			}
			return nil
		})
	}
	_ = clients.Wait() // the fault makes some fail
	return r.progress()
}

// requireSurvived runs the work into a fault, starts the daemon again and
// compares.
func requireSurvived(t *testing.T, prepared imageFile, f fault) {
	t.Helper()
	disk, err := prepared.copyTo("faulty")
	if err != nil {
		t.Fatal(err)
	}
	defer disk.discard()
	onDisk(t, disk, func() {
		r := recorderAfter(before)
		d, err := startDaemon(f.String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { sweep(t, d) }()
		if err := d.init(); err != nil {
			t.Fatalf("%s: the work never began: %v", f, err)
		}
		w := startWitness(t, d)
		defer w.end()
		at := work(d, r)
		if !f.waitHit(d) {
			t.Errorf("%s was never reached", f)
		}
		if err := d.end(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		verifyAgain(t, f.String(), r.operations, at, w)
	})
}

// verifyAgain starts the daemon as dockerd would, and compares.
func verifyAgain(t *testing.T, name string, operations []operation, at []progress, w *witness) {
	t.Helper()
	d, err := startDaemon("")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { sweep(t, d) }()
	if err := d.init(); err != nil {
		t.Errorf("%s: the daemon does not recover: %v", name, err)
	}
	w.stop(t, name)
	for _, line := range d.verify(t.Context(), operations, at) {
		t.Errorf("%s: %s", name, line)
	}
	if err := d.stop(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

//vm:once
func TestTheDaemonMayFailInTheMiddleOfAChange(t *testing.T) {
	prepared := preparedDisk(t)
	for _, f := range []fault{
		{point: "settransaction.before", action: "kill"},
		{point: "createsnapshot.after", action: "panic"},
		{point: "sync.layer", action: "error"},
	} {
		t.Run(f.String(), func(t *testing.T) {
			tallyOne(t, "failpoints hit at work")
			requireSurvived(t, prepared, f)
		})
	}
}
