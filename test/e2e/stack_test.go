//go:build e2e

package e2e

import "testing"

// The two forms of dmthin do the same for Docker.

//
//vm:once
func TestHostDaemonServesDocker(t *testing.T) {
	before := kernelObjects(t)
	registry(t)
	s := hostStack(t, "host")
	serveDocker(t, s)
	s.stop(t)
	requireNothingLeft(t, before)
}

//vm:last
func TestManagedPluginServesDocker(t *testing.T) {
	before := kernelObjects(t)
	registry(t)
	s := pluginStack(t, "plugin")
	serveDocker(t, s)
	s.stop(t)
	requireNothingLeft(t, before)
}

// serveDocker goes through the life of images and containers. The subtests
// build on each other.
func serveDocker(t *testing.T, s *stack) {
	empty := spaceNow(t, s)
	t.Run("docker info has the lines of Docker's driver", func(t *testing.T) { infoLines(t, s) })
	if !t.Run("images are imported and loaded", func(t *testing.T) { importAndLoad(t, s) }) {
		return // nothing else can work
	}
	t.Run("images are pushed and pulled", func(t *testing.T) { pushAndPull(t, s) })
	t.Run("containers run and change files", func(t *testing.T) { runContainers(t, s) })
	t.Run("the classic builder builds", func(t *testing.T) { build(t, s, "classic", "DOCKER_BUILDKIT=0") })
	t.Run("saved images load with the same ID", func(t *testing.T) { saveAndLoad(t, s) })
	t.Run("dmthind is killed while a container runs and writes", func(t *testing.T) { driverIsKilled(t, s) })
	t.Run("removing everything gives the space back", func(t *testing.T) {
		writeBulk(t, s)
		removeEverything(t, s, empty)
	})
	// Last, since dockerd keeps layers that BuildKit used.
	t.Run("BuildKit builds", func(t *testing.T) {
		empty.Allocated = allocated(t, s.loopFile())
		importImages(t, s)
		build(t, s, "buildkit", "DOCKER_BUILDKIT=1")
		removeEverything(t, s, empty)
	})
}
