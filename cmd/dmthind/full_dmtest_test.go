//go:build dmtest

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/dmthin/dmthin/internal/thinpool"
	"github.com/dmthin/dmthin/test/vm/kernellog"
)

// A daemon that starts while the pool is full must serve: removing layers is the
// way out, and the first that goes may free nothing.
//
//vm:once
func TestAFullPoolIsTakenUpAndEmptied(t *testing.T) {
	for _, pattern := range []string{`switching pool to out-of-data-space`, `Buffer I/O error on dev`, `EXT4-fs`, `JBD2`} {
		if err := kernellog.Expect(pattern); err != nil {
			t.Fatal(err)
		}
	}
	h := newOperatorHost(t)
	h.create(t, "shares", "") // all its blocks, with the base device
	writers := h.fillPool(t)
	if err := h.d.stop(); err != nil {
		t.Fatal(err)
	}
	h.start(t)
	h.requireMode(t, thinpool.ModeOutOfDataSpace)
	h.remove(t, "shares")
	h.requireMode(t, thinpool.ModeOutOfDataSpace)
	for _, id := range writers {
		h.remove(t, id)
	}
	h.requireMode(t, thinpool.ModeReadWrite)
	h.create(t, "new", "")
	h.requireClean(t)
}

// fillPool writes to new layers until the pool has no room, and leaves them
// mounted.
func (h *operatorHost) fillPool(t *testing.T) (layers []string) {
	t.Helper()
	for n := range 8 {
		layers = append(layers, fmt.Sprint("writer", n))
		h.create(t, layers[n], "") // none can be made any more when the pool is nearly full
	}
	content := bytes.Repeat([]byte("0123456789abcdef"), 40*mib/16)
	for _, id := range layers {
		err := writeSynced(filepath.Join(h.get(t, id), "file"), content)
		if h.mode(t) == thinpool.ModeOutOfDataSpace {
			return layers
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the pool never got full")
	return nil
}

func writeSynced(path string, content []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Sync()
}

func (h *operatorHost) mode(t *testing.T) thinpool.Mode {
	t.Helper()
	status, err := h.d.current().pool.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status.Mode
}

func (h *operatorHost) requireMode(t *testing.T, want thinpool.Mode) {
	t.Helper()
	if mode := h.mode(t); mode != want {
		t.Fatalf("the pool is in mode %s, want %s", mode, want)
	}
}

func (h *operatorHost) remove(t *testing.T, id string) {
	t.Helper()
	if err := h.d.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	h.waitReclaimed(t)
}
