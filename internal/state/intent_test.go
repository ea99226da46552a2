package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func inode(t *testing.T, path string) (number uint64, size int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino, info.Size()
}

func TestIntentsReplaceEachOtherInOneSectorOfOneFile(t *testing.T) {
	s := open(t)
	path := filepath.Join(s.metadata, intentName)
	var first uint64
	for n, name := range []string{"a", strings.Repeat("b", 200) + "-deleted-16777215", "c"} {
		want := Intent{OpenTransactionID: uint64(n), Name: name, DeviceID: uint32(n), Op: OpDelete}
		if err := s.WriteIntent(want); err != nil {
			t.Fatal(err)
		}
		got, ok, err := s.Intent()
		if !ok || err != nil || got != want {
			t.Errorf("Intent = %+v, %v, %v", got, ok, err)
		}
		number, size := inode(t, path)
		if first == 0 {
			first = number
		}
		if number != first || size != sector {
			t.Errorf("intent %d: inode %d of %d bytes, the first was %d", n, number, size, first)
		}
	}
}

func TestAnIntentThatDockerWroteIsReplaced(t *testing.T) {
	s := open(t)
	path := filepath.Join(s.metadata, intentName)
	if err := os.WriteFile(path, []byte(`{"open_transaction_id":7,"device_hash":"x","device_id":3}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := s.Intent(); !ok || err != nil || got != (Intent{OpenTransactionID: 7, Name: "x", DeviceID: 3}) {
		t.Errorf("Intent = %+v, %v, %v", got, ok, err)
	}
	want := Intent{OpenTransactionID: 8, Name: "y", DeviceID: 4, Op: OpCreate}
	if err := s.WriteIntent(want); err != nil {
		t.Fatal(err)
	}
	if got, _, err := s.Intent(); err != nil || got != want {
		t.Errorf("Intent = %+v, %v", got, err)
	}
	if _, size := inode(t, path); size != sector {
		t.Errorf("the file has %d bytes", size)
	}
}

func TestANameThatJSONMakesLongIsKeptWhole(t *testing.T) {
	s := open(t)
	want := Intent{OpenTransactionID: 1, Name: strings.Repeat("\x01", 200), DeviceID: 1, Op: OpCreate}
	if err := s.WriteIntent(want); err != nil {
		t.Fatal(err)
	}
	if got, _, err := s.Intent(); err != nil || got != want {
		t.Errorf("Intent = %+v, %v", got, err)
	}
}

// A disk that doesn't write a sector as a whole leaves the new beginning of an
// intent with the old one's end, which can be good JSON.
func TestATornIntentIsDamaged(t *testing.T) {
	s := open(t)
	for _, i := range []Intent{{1, "aaaa", 11, OpCreate}, {2, "bbbb", 12, OpDelete}} {
		if err := s.WriteIntent(i); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(s.metadata, intentName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := strings.Replace(string(text), `"bbbb"`, `"bbaa"`, 1)
	if torn == string(text) {
		t.Fatalf("no name in %s", text)
	}
	if err := os.WriteFile(path, []byte(torn), 0o600); err != nil {
		t.Fatal(err)
	}
	var damage *DamagedError
	if got, ok, err := s.Intent(); ok || !errors.As(err, &damage) {
		t.Errorf("Intent = %+v, %v, %v", got, ok, err)
	}
}
