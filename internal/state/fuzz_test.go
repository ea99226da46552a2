package state

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func FuzzRecordIsReadWholeOrNamed(f *testing.F) {
	f.Add("layer", []byte(`{"device_id":2,"size":10737418240,"transaction_id":3,"initialized":false,"deleted":false}`))
	f.Add("layer-deleted-7", []byte(`{"device_id":7,"size":1,"transaction_id":9,"deleted":true}`))
	f.Add("base", []byte(`{"device_id":1,"size":1,"initialized":true,"root":"..","stage":"applying"}`))
	f.Add("layer", []byte(`{"device_id":16777216,"size":-1}`))
	f.Add("layer", []byte(`{"device_id":2,"size":1}{"device_id":3}`))
	f.Add("layer", []byte("\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		if (CheckName(name) != nil && !IsTombstone(name) && name != BaseName) || strings.ContainsAny(name, "/\x00") ||
			len(name) > 200 || strings.HasPrefix(name, ".") {
			return // no record has such a name
		}
		dir := t.TempDir()
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		path := filepath.Join(dir, "metadata", name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := s.Load()
		if err != nil {
			t.Fatalf("one bad record stops all: %v", err)
		}
		total := len(found.Layers) + len(found.Tombstones) + len(found.Damaged)
		if total != 1 {
			t.Errorf("one file gives %+v", found)
		}
		for _, r := range found.Layers {
			if r.DeviceID > MaxDeviceID || r.Size <= 0 || strings.Contains(r.RootDir(), "/") || r.RootDir() == ".." {
				t.Errorf("taken: %+v", r)
			}
		}
		var damaged *DamagedError
		if err, ok := found.Damaged[name]; ok && (!errors.As(err, &damaged) || !strings.Contains(err.Error(), path)) {
			t.Errorf("the error does not name the file: %v", err)
		}
	})
}

// What a digest says is taken where its checksum is right.
func FuzzDigestIsReadWholeOrLeftAside(f *testing.F) {
	data, err := encodeDigest(digest{recordShape, []digested{{"layer", fingerprint{1, 2, 3, 4}, Record{DeviceID: 2, Size: 10 << 30}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[crc32.Size:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		data := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(content))
		d, err := decodeDigest(append(data, content...))
		if err != nil {
			return
		}
		again, err := encodeDigest(d)
		if err != nil {
			t.Fatal(err)
		}
		same, err := decodeDigest(again)
		if diff := cmp.Diff(d, same, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
}
