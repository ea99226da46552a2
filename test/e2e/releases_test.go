//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Docker releases that Debian doesn't have: the last that runs on a storage
// plugin, and one that doesn't.
const (
	docker27 = "27.5.1"
	docker28 = "28.0.4"
)

// loadsPlugins is what Docker 27 wants in its environment.
var loadsPlugins = []string{"DOCKERD_DEPRECATED_GRAPHDRIVER_PLUGINS=1"}

// releasedDocker is the folder of a dockerd of that version. The machine's own
// containerd and runc serve it.
func releasedDocker(t *testing.T, version string) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(env.dmthind), "docker-"+version)
	if _, err := os.Stat(filepath.Join(dir, "dockerd")); err != nil {
		t.Fatalf("no Docker %s; make released-docker: %v", version, err)
	}
	return dir
}

// TestDocker27NeedsAVariableAndServes starts without the variable first.
//
//vm:once
//vm:long
func TestDocker27NeedsAVariableAndServes(t *testing.T) {
	before := kernelObjects(t)
	s := &stack{host: startHostDaemon(t), dockerd: newDockerd(t, dockerdConfig{
		Name: "docker27", Root: freshRoot(t, "docker27"), Driver: "dmthin", Options: poolOptions, Programs: releasedDocker(t, docker27),
	})}
	s.killAtEnd(t)
	s.refuses(t, "DEPRECATED: Experimental graphdriver plugins")
	s.Environ = loadsPlugins
	s.dockerd.start(t)
	infoLines(t, s)
	importImages(t, s)
	runContainers(t, s)
	build(t, s, "classic", "DOCKER_BUILDKIT=0")
	s.restart(t)
	requireFiles(t, s, "committed", map[string]string{"copied": "file 640 from outside"})
	s.stop(t)
	requireNothingLeft(t, before)
}

// TestDocker28TakesNoStoragePlugin says so by itself, and to adopt before
// anything is changed.
//
//vm:once
//vm:long
func TestDocker28TakesNoStoragePlugin(t *testing.T) {
	programs := releasedDocker(t, docker28)
	host := startHostDaemon(t)
	d := newDockerd(t, dockerdConfig{
		Name: "docker28", Root: freshRoot(t, "docker28"), Driver: "dmthin", Programs: programs, Environ: loadsPlugins,
	})
	d.killAtEnd(t)
	d.refuses(t, "DEPRECATED: Support for experimental graphdriver plugins has been removed")
	host.proc.stop(t)

	h := stoppedAdoptHost(t, "adopt-28", loopPool(), append(poolOptions[:len(poolOptions):len(poolOptions)], "dm.fs=ext4")...)
	h.builtIn.start(t)
	h.builtIn.stop(t)
	t.Setenv("PATH", programs+":"+os.Getenv("PATH"))
	if out, err := h.tryDMThin("adopt", "--yes"); err == nil || !strings.Contains(out, "Docker 28") {
		t.Errorf("adopt on a host with Docker %s: %v: %s", docker28, err, out)
	}
	if _, err := os.Stat(filepath.Join(h.root, "dmthin")); err == nil {
		t.Errorf("adopt made %s/dmthin before it refused", h.root)
	}
}

// TestAdoptForDocker27 skips the releases in between.
//
//vm:once
//vm:long
func TestAdoptForDocker27(t *testing.T) {
	h := stoppedAdoptHost(t, "adopt-27", loopPool(), append(poolOptions[:len(poolOptions):len(poolOptions)], "dm.fs=ext4")...)
	h.external.Programs, h.external.Environ = releasedDocker(t, docker27), loadsPlugins
	h.builtIn.start(t)
	h.shortThereAndBack(t)
}

// refuses launches dockerd and expects it to end and its log to say why.
func (d *dockerd) refuses(t *testing.T, reason string) {
	t.Helper()
	d.launch(t)
	select {
	case <-d.proc.exited:
	case <-time.After(2 * time.Minute):
		t.Fatalf("dockerd %v did not end", d.Options)
	}
	log, err := os.ReadFile(d.proc.log)
	if err != nil {
		t.Fatal(err)
	}
	if d.proc.err == nil || !strings.Contains(string(log), reason) {
		t.Errorf("dockerd %v ended with %v; its log should say %q:\n%s", d.Options, d.proc.err, reason, d.proc.logTail())
	}
}
