package admin

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func backupOf(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	m := BackupManifest{Made: time.Unix(1000, 0).UTC(), PoolID: "4f1c2a3b", TransactionID: 42, BaseUUID: "0b9a"}
	if err := WriteBackup(&out, m, files); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestABackupReadsAsItWasWritten(t *testing.T) {
	files := map[string][]byte{"identity.json": []byte("{}"), "metadata/a": []byte("{1}"), "metadata/empty": {}}
	m, got, err := ReadBackup(bytes.NewReader(backupOf(t, files)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, got); diff != "" {
		t.Error(diff)
	}
	if m.PoolID != "4f1c2a3b" || m.TransactionID != 42 || m.BaseUUID != "0b9a" || len(m.Files) != 3 {
		t.Errorf("manifest %+v", m)
	}
}

func TestABackupThatIsNotWholeIsRefused(t *testing.T) {
	whole := backupOf(t, map[string][]byte{"metadata/a": []byte("{1}"), "metadata/b": []byte("{2}")})
	for name, damage := range map[string]func([]byte) []byte{
		"empty":          func([]byte) []byte { return nil },
		"no tar":         func([]byte) []byte { return bytes.Repeat([]byte("junk"), 1024) },
		"cut":            func(b []byte) []byte { return b[:len(b)/2] },
		"changed record": func(b []byte) []byte { return bytes.Replace(b, []byte("{1}"), []byte("{9}"), 1) },
		"another format": func(b []byte) []byte { return bytes.Replace(b, []byte(`"format": 1`), []byte(`"format": 2`), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			if _, files, err := ReadBackup(bytes.NewReader(damage(bytes.Clone(whole)))); !errors.Is(err, ErrDamagedBackup) {
				t.Errorf("ReadBackup = %d files, %v", len(files), err)
			}
		})
	}
}
