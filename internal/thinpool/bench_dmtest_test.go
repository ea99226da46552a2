//go:build dmtest

package thinpool_test

import (
	"sync/atomic"
	"testing"

	"github.com/dmthin/dmthin/internal/thinpool"
)

// One activation and removal, as a Get and a Put make them.
func BenchmarkActivation(b *testing.B) {
	for name, sync := range map[string]bool{"without udev": false, "waiting for udev": true} {
		b.Run(name, func(b *testing.B) {
			pool := newPool(b)
			create(b, pool, 1)
			for b.Loop() {
				cycle(b, pool, 1, sync)
			}
		})
	}
	b.Run("16 at once", func(b *testing.B) {
		pool := newPool(b)
		for id := range thinpool.DeviceID(16) {
			create(b, pool, id)
		}
		var next atomic.Uint32
		b.SetParallelism(8) // times GOMAXPROCS, 2 on the test machine
		b.RunParallel(func(pb *testing.PB) {
			id := thinpool.DeviceID(next.Add(1) - 1)
			for pb.Next() {
				cycle(b, pool, id%16, false)
			}
		})
	})
}

func cycle(b *testing.B, pool *thinpool.Pool, id thinpool.DeviceID, sync bool) {
	if _, err := pool.Activate(b.Context(), thin(id), sync); err != nil {
		b.Error(err)
	}
	if err := pool.Deactivate(b.Context(), thin(id).Name); err != nil {
		b.Error(err)
	}
}
