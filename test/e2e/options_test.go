//go:build e2e

package e2e

import "testing"

// requireRefused starts dockerd with options that can't work, and expects it
// to end and its log to say why.
func requireRefused(t *testing.T, name, reason string, options ...string) {
	t.Helper()
	d := newDockerd(t, dockerdConfig{Name: name, Root: freshRoot(t, name), Driver: "dmthin", Options: options})
	d.killAtEnd(t)
	d.refuses(t, reason)
}

func TestDockerdRefusesToStartWithAnUnknownOption(t *testing.T) {
	before := kernelObjects(t)
	host := startHostDaemon(t)
	requireRefused(t, "unknown", "dm.colour", "dm.colour=blue")
	host.proc.stop(t)
	requireNothingLeft(t, before)
}

//vm:last
func TestXFSLayersRunAndKeepTheirSize(t *testing.T) {
	before := kernelObjects(t)
	s := hostStack(t, "xfs", "dm.fs=xfs", "dm.basesize=320M")
	if _, rows := s.info(t); rows[2][1] != "335.5MB" || rows[3][1] != "xfs" {
		t.Errorf("docker info says %s and %s", rows[2], rows[3])
	}
	importImage(t, s.docker, "busybox", busyboxFiles(t)...)
	requireCapacity(t, s, "xfs", 320)
	requireCapacity(t, s, "xfs", 400, "--storage-opt", "size=400M")
	requireCapacity(t, s, "xfs", 128, "--storage-opt", "size=128M") // xfs can't shrink: a quota
	s.stop(t)
	requireNothingLeft(t, before)
}
