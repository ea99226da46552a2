package admin

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWarningsNameEveryReasonNotToBeReady(t *testing.T) {
	ready := Status{State: StateReady, Pool: PoolStatus{Mode: PoolReadWrite, DataTotal: 100, MinFreeSpace: 10}}
	tests := []struct {
		name   string
		change func(*Status)
		want   []string
	}{
		{"ready", func(*Status) {}, nil},
		{"waiting", func(s *Status) { *s = Status{State: StateWaiting} }, []string{"no pool yet: dockerd has not sent Init"}},
		{"failed", func(s *Status) { *s = Status{State: StateFailed, Error: "no pool", Problems: []string{"p"}} },
			[]string{"the daemon could not start its pool: no pool", "p"}},
		{"problem", func(s *Status) { s.Problems = []string{"metadata/x: empty"} }, []string{"metadata/x: empty"}},
		{"read-only", func(s *Status) { s.Pool.Mode = PoolReadOnly; s.Pool.NeedsCheck = true },
			[]string{`the pool's mode is "ro", not "rw"`, "the pool's metadata needs thin_check"}},
		{"read-only, said by the daemon", func(s *Status) { s.Pool.Mode = PoolReadOnly; s.Problems = []string{"pool is read-only"} },
			[]string{"pool is read-only"}},
		{"full", func(s *Status) {
			s.Pool.Mode, s.Pool.DataUsed, s.Problems = PoolOutOfData, 100, []string{"pool is full"}
		}, []string{"free data space 0B is below dm.min_free_space (10B): new layers are refused", "pool is full"}},
		{"unread", func(s *Status) { s.Pool.Mode = PoolModeUnknown }, []string{`the pool's mode is "", not "rw"`}},
		{"at the minimum", func(s *Status) { s.Pool.DataUsed = 90 }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := ready
			tt.change(&s)
			if diff := cmp.Diff(tt.want, s.Warnings()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
