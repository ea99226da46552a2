//go:build dmtest

package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const witnessLayer = "witness"

// witness is a container that runs and writes all the while.
type witness struct {
	path    string
	stopped chan struct{}
	written sync.WaitGroup
	lines   int
	err     error
}

func startWitness(t *testing.T, d *daemon) *witness {
	t.Helper()
	dir, err := d.get(witnessLayer)
	if err != nil {
		t.Fatal(err)
	}
	// Beside the layer's folder: its children are not to show it.
	w := &witness{path: filepath.Join(filepath.Dir(dir), "lines"), stopped: make(chan struct{})}
	// Its own file handle keeps the mount, as a container's namespace would.
	f, err := os.Create(w.path)
	if err != nil {
		t.Fatal(err)
	}
	w.written.Go(func() {
		defer f.Close()
		for w.err == nil {
			select {
			case <-w.stopped:
				return
			default:
			}
			if _, w.err = fmt.Fprintln(f, w.lines); w.err == nil {
				w.err = f.Sync()
			}
			w.lines++
		}
	})
	return w
}

// stop ends the witness and reads what it wrote.
func (w *witness) stop(t *testing.T, name string) {
	t.Helper()
	close(w.stopped)
	w.written.Wait()
	if w.err != nil {
		t.Errorf("%s: a running container noticed: %v", name, w.err)
	}
	got, err := os.ReadFile(w.path)
	if err != nil || strings.Count(string(got), "\n") != w.lines {
		t.Errorf("%s: of %d lines that a container wrote %d are there, %v", name, w.lines, strings.Count(string(got), "\n"), err)
	}
}
