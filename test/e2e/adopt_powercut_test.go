//go:build e2e

package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The three parts of adopt-powercut.scenario.json: the machine loses its power
// in the middle of an adoption, which is then finished, and in the middle of
// its undo, which is then finished too.

// cutHost is a host that outlives the test.
func cutHost(t *testing.T) *adoptHost {
	t.Helper()
	root := filepath.Join(env.data, "adopt-cut")
	return adoptHostAt(t, "adopt-cut", root, filepath.Join(env.data, "adopt-cut.json"), loopPool())
}

// beginAndLeave runs dmthin and returns as soon as it is at a step. The power
// is cut then.
func (h *adoptHost) beginAndLeave(t *testing.T, step string, args ...string) {
	t.Helper()
	cmd := exec.Command(env.dmthin, append(args, "--yes", "--data-root", h.root, "--config-file", h.config)...)
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if all.WriteString(lines.Text() + "\n"); strings.Contains(lines.Text(), step) {
			return
		}
	}
	t.Fatalf("dmthin %s never came to %q: %s", args, step, all.String())
}

//vm:once
func TestAdoptPowerCutBefore(t *testing.T) {
	h := cutHost(t)
	removeRoot(t, h.root)
	if err := os.MkdirAll(h.root, 0o711); err != nil {
		t.Fatal(err)
	}
	h.configure(t, poolOptions...)
	h.builtIn.start(t)
	h.keepFile(t)
	h.builtIn.stop(t)
	shell(t, "sync")
	h.beginAndLeave(t, "devicemapper becomes dmthin", "adopt")
}

func TestAdoptPowerCutBetween(t *testing.T) {
	h := cutHost(t)
	h.dmthin(t, "adopt", "--yes")
	s := h.startDMThin(t)
	h.requireKept(t, h.external)
	s.stop(t)
	h.beginAndLeave(t, "dmthin becomes devicemapper", "adopt", "--undo")
}

func TestAdoptPowerCutAfter(t *testing.T) {
	h := cutHost(t)
	h.builtIn.killAtEnd(t)
	h.dmthin(t, "adopt", "--undo", "--yes")
	h.builtIn.start(t)
	h.requireKept(t, h.builtIn)
	h.builtIn.stop(t)
	removeRoot(t, h.root)
}
