//go:build dmtest

package crash

import (
	"context"
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
	cancel  context.CancelFunc
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
	ctx, cancel := context.WithCancel(t.Context())
	w := &witness{path: filepath.Join(filepath.Dir(dir), "lines"), cancel: cancel}
	// Its own file handle keeps the mount, as a container's namespace would.
	f, err := os.Create(w.path)
	if err != nil {
		t.Fatal(err)
	}
	w.written.Go(func() {
		defer f.Close()
		for w.err == nil && ctx.Err() == nil {
			if _, w.err = fmt.Fprintln(f, w.lines); w.err == nil {
				w.err = f.Sync()
			}
			w.lines++
		}
	})
	return w
}

// end may be called any number of times.
func (w *witness) end() {
	w.cancel()
	w.written.Wait()
}

// stop ends the witness and reads what it wrote.
func (w *witness) stop(t *testing.T, name string) {
	t.Helper()
	w.end()
	if w.err != nil {
		t.Errorf("%s: a running container noticed: %v", name, w.err)
	}
	got, err := os.ReadFile(w.path)
	if err != nil || strings.Count(string(got), "\n") != w.lines {
		t.Errorf("%s: of %d lines that a container wrote %d are there, %v", name, w.lines, strings.Count(string(got), "\n"), err)
	}
}
