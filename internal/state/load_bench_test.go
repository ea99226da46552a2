package state

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const many = 5000

func openMany(b *testing.B) *Store {
	b.Helper()
	s, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	for i := range uint32(many) {
		name := fmt.Sprintf("%064x", i)
		data, err := encode(name, Record{DeviceID: i, Size: 10 << 30, TransactionID: uint64(i), Parent: strings.Repeat("a", 64)})
		if err == nil {
			err = replaceFile(s.metadata, name, data, leaveUnsynced)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func loadMany(b *testing.B, s *Store) {
	b.Helper()
	if found, err := s.Load(); err != nil || len(found.Layers) != many {
		b.Fatal(len(found.Layers), err)
	}
}

// After a crash.
func BenchmarkLoadOf5000Records(b *testing.B) {
	s := openMany(b)
	defer s.Close()
	for b.Loop() {
		loadMany(b, s)
	}
}

func BenchmarkLoadOf5000RecordsAfterAnOrderlyEnd(b *testing.B) {
	s := openMany(b)
	time.Sleep(settled)
	loadMany(b, s)
	for b.Loop() {
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		var err error
		if s, err = Open(s.Dir()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		loadMany(b, s)
	}
}
