//go:build dmtest

package main

import (
	"os"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
)

// Who asks for the pool by name once Docker has started finds it.
//
//vm:once
func TestInitIsAnsweredOnceUdevdHasMadeThePoolsLink(t *testing.T) {
	h := &operatorHost{dir: t.TempDir()}
	t.Cleanup(func() { h.stop(t) })
	h.start(t) // a new pool's filesystem is made with udevd's help anyway
	h.stop(t)
	dmtest.Run(t, "udevadm", "control", "--stop-exec-queue")
	restart := func() { dmtest.Run(t, "udevadm", "control", "--start-exec-queue") }
	defer restart()
	answered := make(chan error, 1)
	go func() { answered <- h.init() }()
	select {
	case err := <-answered:
		t.Fatalf("Init was answered before: %v", err)
	case <-time.After(3 * time.Second):
	}
	restart()
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat("/dev/mapper/" + h.d.current().pool.Name()); err != nil {
		t.Error(err)
	}
}
