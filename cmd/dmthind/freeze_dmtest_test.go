//go:build dmtest

package main

import (
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A check of the pool reads its metadata for minutes. A docker diff meanwhile
// needs them too, and the container frozen; it must not be for as long.
//
//vm:once
func TestNoContainerIsFrozenForAsLongAsTheMetadataAreInUse(t *testing.T) {
	h := newOperatorHost(t)
	h.create(t, "image", "")
	h.create(t, "container", "image")
	dir := h.get(t, "container")
	metadata := h.d.current().metadata
	metadata.turn <- struct{}{}

	var comparing sync.WaitGroup
	comparing.Go(func() {
		if _, err := h.d.Changes(t.Context(), "container", "image"); err != nil {
			t.Error(err)
		}
	})
	time.Sleep(time.Second) // it is waiting by now
	written := make(chan error, 1)
	go func() { written <- writeSynced(filepath.Join(dir, "file"), []byte("content")) }()
	select {
	case err := <-written:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the container's filesystem is frozen")
	}
	<-metadata.turn
	comparing.Wait()
	h.put(t, "container")
}
