package conformance

import (
	"testing"

	"github.com/docker/docker/daemon/graphdriver/graphtest"
)

func BenchmarkGraphdriver(b *testing.B) {
	for _, fs := range filesystems {
		b.Run(fs, func(b *testing.B) {
			withDriver(b, fs, func(driver string) { runBenchmarks(b, driver) })
		})
	}
}

// runBenchmarks is Docker's set. Its Diff benchmarks name no parent, which is
// a tar of the whole layer: they say nothing about finding changes.
func runBenchmarks(b *testing.B, driver string) {
	b.Run("Exists", func(b *testing.B) { graphtest.DriverBenchExists(b, driver) })
	b.Run("GetEmpty", func(b *testing.B) { graphtest.DriverBenchGetEmpty(b, driver) })
	b.Run("DiffBase", func(b *testing.B) { graphtest.DriverBenchDiffBase(b, driver) })
	b.Run("DiffSmallUpper", func(b *testing.B) { graphtest.DriverBenchDiffN(b, 10, 10, driver) })
	b.Run("DiffLargeUpper", func(b *testing.B) { graphtest.DriverBenchDiffN(b, 10, 1000, driver) })
	b.Run("DiffApply100", func(b *testing.B) { graphtest.DriverBenchDiffApplyN(b, 100, driver) })
	b.Run("Diff20Layers", func(b *testing.B) { graphtest.DriverBenchDeepLayerDiff(b, 20, driver) })
	b.Run("Read20Layers", func(b *testing.B) { graphtest.DriverBenchDeepLayerRead(b, 20, driver) })
}
