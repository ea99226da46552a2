package state

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestARecordWithAnyBitChangedIsDamagedOrTheSame(t *testing.T) {
	s := open(t)
	want := Record{DeviceID: 7, Size: 10 << 30, TransactionID: 3, Parent: "p"}
	put(t, s, "abc", want)
	whole, err := os.ReadFile(filepath.Join(s.metadata, "abc"))
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(whole) * 8 {
		flipped := append([]byte{}, whole...)
		flipped[bit/8] ^= 1 << (bit % 8)
		write(t, s, "abc", string(flipped))
		found, err := s.Load()
		if err != nil {
			t.Fatal(err)
		}
		var damage *DamagedError
		if errors.As(found.Damaged["abc"], &damage) {
			continue
		}
		if got := found.Layers["abc"]; got != want { // the bit is in the name of the checksum
			t.Errorf("bit %d: the record is read as %+v from %s", bit, got, flipped)
		}
	}
}

func TestARecordWithoutChecksumIsTakenAsItIs(t *testing.T) {
	s := open(t)
	write(t, s, "abc", `{"device_id":7,"size":4096,"transaction_id":3,"initialized":false,"deleted":false}`)
	found, err := s.Load()
	if err != nil || found.Layers["abc"].DeviceID != 7 {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestTheChecksumStaysWhereALaterVersionAddsKeys(t *testing.T) {
	s := open(t)
	write(t, s, "abc", string(seal([]byte(`{"device_id":7,"size":4096,"colour":"red"}`))))
	found, err := s.Load()
	if err != nil || len(found.Damaged) > 0 || found.Layers["abc"].DeviceID != 7 {
		t.Errorf("%+v, %v", found, err)
	}
}
