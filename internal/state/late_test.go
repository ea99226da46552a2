package state

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNothingIsWrittenAfterClose(t *testing.T) {
	s := open(t)
	kept := Record{DeviceID: 1, Size: 1 << 30}
	put(t, s, "kept", kept)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(s.metadata)
	if err != nil {
		t.Fatal(err)
	}
	_, buried := s.Bury("kept", kept)
	for what, err := range map[string]error{
		"Put": s.Put("kept", kept), "Add": s.Add("new", kept), "Delete": s.Delete("kept"), "Bury": buried,
		"WriteIntent": s.WriteIntent(Intent{OpenTransactionID: 1}), "WriteDeviceSet": s.WriteDeviceSet(DeviceSet{}),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	after, err := os.ReadDir(s.metadata)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names(before), names(after)); diff != "" {
		t.Error(diff)
	}
}

func names(entries []os.DirEntry) (names []string) {
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
