package state

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestASuspicionIsLookedInto(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Suspect(unix.EROFS)
	if err := s.Writable(); err != nil {
		t.Errorf("with nothing in the way: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "metadata")); err != nil {
		t.Fatal(err)
	}
	s.Suspect(unix.EROFS)
	if err := s.Writable(); err == nil {
		t.Error("records are called writable, and their folder is gone")
	}
}
