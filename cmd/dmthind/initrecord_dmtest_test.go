//go:build dmtest

package main

import (
	"os"
	"path/filepath"
	"testing"
)

// After a crash the daemon goes on from the Init on record.
//
//vm:once
func TestAnInitThatCouldNotBeSavedIsSavedWhenItComesAgain(t *testing.T) {
	h := &operatorHost{dir: t.TempDir()}
	obstacle := filepath.Join(h.dir, "init.json.new")
	if err := os.Mkdir(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.stop(t) })
	if err := h.init(); err == nil {
		t.Fatal("an Init that is not on record was answered")
	}
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	if err := h.d.Init(t.Context(), h.request()); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := loadInit(h.d.set.initRecord); !ok || err != nil {
		t.Errorf("no Init is on record: %v, %v", ok, err)
	}
}
