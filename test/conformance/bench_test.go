package conformance

import (
	"flag"
	"testing"

	"github.com/docker/docker/daemon/graphdriver/graphtest"
)

// benchmarks is Docker's set. Its Diff benchmarks name no parent, which is a
// tar of the whole layer: they say nothing about finding changes.
var benchmarks = []struct {
	name string
	run  func(b *testing.B, driver string)
}{
	{"Exists", func(b *testing.B, driver string) { graphtest.DriverBenchExists(b, driver) }},
	{"GetEmpty", func(b *testing.B, driver string) { graphtest.DriverBenchGetEmpty(b, driver) }},
	{"DiffBase", func(b *testing.B, driver string) { graphtest.DriverBenchDiffBase(b, driver) }},
	{"DiffSmallUpper", func(b *testing.B, driver string) { graphtest.DriverBenchDiffN(b, 10, 10, driver) }},
	{"DiffLargeUpper", func(b *testing.B, driver string) { graphtest.DriverBenchDiffN(b, 10, 1000, driver) }},
	{"DiffApply100", func(b *testing.B, driver string) { graphtest.DriverBenchDiffApplyN(b, 100, driver) }},
	{"Diff20Layers", func(b *testing.B, driver string) { graphtest.DriverBenchDeepLayerDiff(b, 20, driver) }},
	{"Read20Layers", func(b *testing.B, driver string) { graphtest.DriverBenchDeepLayerRead(b, 20, driver) }},
}

func BenchmarkGraphdriver(b *testing.B) {
	for _, fs := range []string{"ext4", "xfs"} {
		b.Run(fs, func(b *testing.B) {
			withDriver(b, fs, func(driver string) {
				for _, bench := range benchmarks {
					b.Run(bench.name, func(b *testing.B) { bench.run(b, driver) })
				}
			})
		})
	}
}

// runBenchmarksOnce takes them as tests: they check results no test of the
// suite does. What a failing one says shows only under -test.bench.
func runBenchmarksOnce(t *testing.T, driver string) {
	benchtime := flag.Lookup("test.benchtime").Value
	defer func(was string) { _ = benchtime.Set(was) }(benchtime.String())
	if err := benchtime.Set("1x"); err != nil {
		t.Fatal(err)
	}
	for _, bench := range benchmarks {
		t.Run(bench.name, func(t *testing.T) {
			if testing.Benchmark(func(b *testing.B) { bench.run(b, driver) }).N == 0 {
				t.Errorf("fails; run it by -test.bench=Graphdriver/.*/%s to see why", bench.name)
			}
		})
	}
}
