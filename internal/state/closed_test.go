package state

import "testing"

func TestAnOrderlyEndOfThePoolIsRememberedOnce(t *testing.T) {
	dir := t.TempDir()
	took := func() bool {
		t.Helper()
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		closed, err := s.TakeClosed()
		if err != nil {
			t.Fatal(err)
		}
		return closed
	}
	if took() {
		t.Error("closed before it was ever used")
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.NoteClosed(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !took() {
		t.Error("the orderly end was forgotten")
	}
	if took() {
		t.Error("closed though it was in use since")
	}
}
