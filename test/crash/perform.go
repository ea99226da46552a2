//go:build dmtest

package crash

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/dmthin/dmthin/internal/admin"
)

// recorder numbers the operations of all clients, and marks their begin and
// end in the log.
type recorder struct {
	mark func(word string) error

	mu         sync.Mutex
	operations []operation
	acked      []bool
}

// recorderAfter takes these operations for done, and marks nothing.
func recorderAfter(done []operation) *recorder {
	r := &recorder{mark: func(string) error { return nil }, operations: slices.Clone(done), acked: make([]bool, len(done))}
	for n := range r.acked {
		r.acked[n] = true
	}
	return r
}

// progress is how far the operations have got. One that failed may have left
// whatever one that is under way may.
func (r *recorder) progress() []progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := make([]progress, len(r.operations))
	for n, acked := range r.acked {
		at[n] = underWay
		if acked {
			at[n] = acknowledged
		}
	}
	return at
}

// perform does one operation.
func (r *recorder) perform(d *daemon, o operation) error {
	r.mu.Lock()
	n := len(r.operations)
	r.operations = append(r.operations, o)
	r.acked = append(r.acked, false)
	r.mu.Unlock()
	if err := r.mark(beginMark(n)); err != nil {
		return err
	}
	if err := d.perform(o); err != nil {
		return err
	}
	r.mu.Lock()
	r.acked[n] = true
	r.mu.Unlock()
	return r.mark(endMark(n))
}

func (d *daemon) perform(o operation) error {
	switch o.verb {
	case create:
		return d.create(o.layer, o.parent, o.size)
	case remove:
		return d.removeAsAsked(o)
	case grow:
		_, err := d.admin().Resize(context.Background(), admin.ResizeRequest{Data: o.pool.data, Metadata: o.pool.metadata}, func(string) {})
		return err
	case fill:
		return d.fillAsAsked(o)
	default:
		return d.write(o)
	}
}

// fillAsAsked fills a layer. A held one is mounted by somebody else before, and stays
// so: its unmounting would sync what the daemon has to.
func (d *daemon) fillAsAsked(o operation) error {
	if o.held {
		if _, err := d.get(o.layer); err != nil {
			return err
		}
	}
	return d.fill(o.layer, bytes.NewReader(tarOf(o.files)))
}

// removeAsAsked removes a layer, a held one while somebody works in it: its device
// is deleted later.
func (d *daemon) removeAsAsked(o operation) error {
	if !o.held {
		return d.remove(o.layer)
	}
	dir, err := d.get(o.layer)
	if err != nil {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.busy = append(d.busy, f)
	d.mu.Unlock()
	return errors.Join(d.put(o.layer), d.remove(o.layer))
}

// letGo ends the work in removed layers.
func (d *daemon) letGo() {
	for _, f := range d.busy {
		_ = f.Close() // only its being open counts
	}
	d.busy = nil
}

func tarOf(files map[string]string) []byte {
	var stream bytes.Buffer
	w := tar.NewWriter(&stream)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		header := tar.Header{Name: path, Mode: 0o644, Size: int64(len(files[path]))}
		// Writing to memory does not fail.
		_ = w.WriteHeader(&header)
		_, _ = w.Write([]byte(files[path]))
	}
	_ = w.Close()
	return stream.Bytes()
}

// write is a container that writes a file and syncs it.
func (d *daemon) write(o operation) error {
	dir, err := d.get(o.layer)
	if err != nil {
		return err
	}
	for path, content := range o.files {
		if err := writeSynced(filepath.Join(dir, path), content); err != nil {
			return errors.Join(err, d.put(o.layer))
		}
	}
	return d.put(o.layer)
}

func writeSynced(path, content string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
