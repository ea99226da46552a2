package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestADiskThatHangsHoldsUpNobodyWhoAsks(t *testing.T) {
	s := open(t)
	mended, probes := make(chan struct{}), 0
	s.probe = func(string) error {
		probes++
		<-mended
		return nil
	}
	s.Suspect(unix.EIO)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := s.Writable(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Writable = %v", err)
		}
		cancel()
	}
	close(mended)
	if err := s.Writable(t.Context()); err != nil {
		t.Errorf("after the disk was mended: %v", err)
	}
	if probes > 2 {
		t.Errorf("%d probes were made, each of which a disk may keep for ever", probes)
	}
}

func TestASuspicionIsLookedInto(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Suspect(unix.EROFS)
	if err := s.Writable(t.Context()); err != nil {
		t.Errorf("with nothing in the way: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "metadata")); err != nil {
		t.Fatal(err)
	}
	s.Suspect(unix.EROFS)
	if err := s.Writable(t.Context()); err == nil {
		t.Error("records are called writable, and their folder is gone")
	}
}
