package state

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkLoad5000Records(b *testing.B) {
	s, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for i := range uint32(5000) {
		name := fmt.Sprintf("%064x", i)
		data, err := encode(name, Record{DeviceID: i, Size: 10 << 30, TransactionID: uint64(i), Parent: strings.Repeat("a", 64)})
		if err == nil {
			err = replaceFile(s.metadata, name, data, leaveUnsynced)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if found, err := s.Load(); err != nil || len(found.Layers) != 5000 {
			b.Fatal(len(found.Layers), err)
		}
	}
}
