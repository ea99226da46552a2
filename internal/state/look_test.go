package state

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestALookChangesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "docker")
	v := Look(dir)
	if empty, err := v.Empty(); err != nil || !empty {
		t.Errorf("what isn't there is empty: %t, %v", empty, err)
	}
	if lock, err := v.Lock(); err != nil || lock != nil {
		t.Errorf("what isn't there has a lock: %v, %v", lock, err)
	}
	metadata := filepath.Join(dir, "metadata")
	if err := os.MkdirAll(metadata, 0o700); err != nil {
		t.Fatal(err)
	}
	content := `{"device_id":3,"size":4096,"transaction_id":7,"initialized":false,"deleted":false}`
	for name, text := range map[string]string{"layer": content, ".tmp-1": "left", "transaction-metadata": `{"open_transaction_id":7,"device_hash":"layer","device_id":3}`} {
		if err := os.WriteFile(filepath.Join(metadata, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := v.Scan()
	if want := map[string]Record{"layer": {DeviceID: 3, Size: 4096, TransactionID: 7}}; err != nil || !cmp.Equal(want, found.Layers) {
		t.Errorf("layers %+v, %v", found.Layers, err)
	}
	if i, ok, err := v.Intent(); err != nil || !ok || i.OpenTransactionID != 7 {
		t.Errorf("intent %+v, %t, %v", i, ok, err)
	}
	if empty, err := v.Empty(); err != nil || empty {
		t.Errorf("empty: %t, %v", empty, err)
	}
	var names []string
	for _, folder := range []string{dir, metadata} {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	if want := []string{"metadata", ".tmp-1", "layer", "transaction-metadata"}; !cmp.Equal(want, names) {
		t.Errorf("files %q", names)
	}
}

func TestALookAndADaemonKeepEachOtherOut(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Look(dir).Lock(); !errors.Is(err, ErrLocked) {
		t.Errorf("beside a daemon: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	lock, err := Look(dir).Lock()
	if err != nil || lock == nil {
		t.Fatalf("after the daemon: %v, %v", lock, err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("a daemon beside an onlooker's lock: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
