//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMoveImagesFromOverlay2 moves with the script of contrib, as the manual
// says, what can't be taken over.
//
//vm:once
//vm:long
func TestMoveImagesFromOverlay2(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "moved")
	old := startDockerd(t, dockerdConfig{Name: "move", Root: freshRoot(t, "move"), Driver: "overlay2"})
	importImage(t, old.docker, "odd", append(busyboxFiles(t), oddFiles()...)...)
	old.run(t, "tag", "odd", "again:v1")
	old.run(t, append(append([]string{"run", "--name", "Worker"}, offline...), "odd", "sh", "-c", "echo done >/work")...)
	said := moveImages(t, old.docker, "save", dir)
	for _, lost := range []string{"moved/worker", "names, settings, networks and logs", "builder's cache"} {
		if !strings.Contains(said, lost) {
			t.Errorf("move-images save doesn't speak of %s: %s", lost, said)
		}
	}
	old.stop(t)
	s := hostStack(t, "move-to")
	moveImages(t, s.docker, "load", dir)
	requireSameTree(t, "the odd image", oddTree(), onlyBelow(s.client(t).readLayer(t, topLayer(t, s.dockerd, "again:v1")), "odd/"))
	if got := s.foreground(t, "moved/worker", "cat /work"); got != "done" {
		t.Errorf("what the container wrote: %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "containers", "Worker.json")); err != nil {
		t.Error(err)
	}
	s.stop(t)
}

func moveImages(t *testing.T, c docker, args ...string) string {
	t.Helper()
	cmd := exec.Command("../../contrib/move-images", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+c.socket, "HOME="+c.home)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("move-images %s: %v: %s", args, err, out)
	}
	return string(out)
}
