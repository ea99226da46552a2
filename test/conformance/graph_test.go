package conformance

import (
	"fmt"
	"testing"

	"github.com/docker/docker/daemon/graphdriver/graphtest"
)

// drivers counts the names registered: Docker's registry forgets none, and
// -count runs a test again in the same process.
var drivers int

// withDriver runs a daemon for the given filesystem and hands run the name
// under which graphtest finds its driver. graphtest keeps one driver per
// process and shuts it down with the last reference; holding one here makes
// all of run use a single Init, as one dockerd would.
func withDriver(tb testing.TB, fs string, run func(driver string)) {
	tb.Helper()
	d := startDaemon(tb)
	drivers++
	driver := fmt.Sprintf("%s-%s-%d", pluginName, fs, drivers) // also a prefix of layer IDs
	if err := registerProxy(driver, d.socket); err != nil {
		tb.Fatal(err)
	}
	graphtest.GetDriver(tb, driver,
		"dm.fs="+fs,
		"dm.basesize=1G",
		"dm.loopdatasize=4G",
		"dm.loopmetadatasize=128M")
	defer graphtest.PutDriver(tb)
	run(driver)
}

//vm:once
func TestGraphdriverExt4(t *testing.T) {
	withDriver(t, "ext4", func(driver string) { runSuite(t, driver) })
}

//vm:once
func TestGraphdriverXFS(t *testing.T) {
	withDriver(t, "xfs", func(driver string) { runSuite(t, driver) })
}

// runSuite is every functional test of Docker's suite, with the parameters
// Docker uses for its drivers, but for the depth: 128 layers, the most an image
// has, take two minutes on an emulated machine.
func runSuite(t *testing.T, driver string) {
	depth := 128
	if testing.Short() {
		depth = 24
	}
	t.Run("CreateEmpty", func(t *testing.T) { graphtest.DriverTestCreateEmpty(t, driver) })
	t.Run("CreateBase", func(t *testing.T) { graphtest.DriverTestCreateBase(t, driver) })
	t.Run("CreateSnap", func(t *testing.T) { graphtest.DriverTestCreateSnap(t, driver) })
	t.Run("DeepLayerRead", func(t *testing.T) { graphtest.DriverTestDeepLayerRead(t, depth, driver) })
	t.Run("DiffApply100", func(t *testing.T) { graphtest.DriverTestDiffApply(t, 100, driver) })
	t.Run("Changes", func(t *testing.T) { graphtest.DriverTestChanges(t, driver) })
	if !testing.Short() {
		t.Run("Benchmarks", func(t *testing.T) { runBenchmarksOnce(t, driver) })
	}
	// Last, because it leaves its layer mounted. Required, because a driver that
	// can't bound a container must not pass by skipping.
	t.Run("SetQuota", func(t *testing.T) { graphtest.DriverTestSetQuota(t, driver, true) })
}
