//go:build e2e

package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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

// beginAndLeave runs dmthin and stops it at a step, with others to come. The
// power is cut then.
func (h *adoptHost) beginAndLeave(t *testing.T, step string, args ...string) {
	t.Helper()
	cmd := exec.Command(env.dmthin, append(args, "--yes", "--data-root", h.root, "--config-file", h.config)...)
	// In a session of its own the end of this program doesn't wake it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
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
			if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			h.requireHalf(t)
			return
		}
	}
	t.Fatalf("dmthin %s never came to %q: %s", args, step, all.String())
}

// requireHalf finds that there is something to finish.
func (h *adoptHost) requireHalf(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(h.config)
	if err != nil || !strings.Contains(string(text), "unfinished-") {
		t.Fatalf("the operation was not cut in the middle: daemon.json is %s, %v", text, err)
	}
}

//vm:once
//vm:long
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
	h.beginAndLeave(t, "image/devicemapper becomes", "adopt")
}

func TestAdoptPowerCutBetween(t *testing.T) {
	h := cutHost(t)
	h.requireHalf(t)
	h.dmthin(t, "adopt", "--yes")
	s := h.startDMThin(t)
	h.requireKept(t, h.external)
	s.stop(t)
	h.beginAndLeave(t, "image/dmthin becomes", "adopt", "--undo")
}

func TestAdoptPowerCutAfter(t *testing.T) {
	h := cutHost(t)
	h.requireHalf(t)
	h.builtIn.killAtEnd(t)
	h.dmthin(t, "adopt", "--undo", "--yes")
	h.builtIn.start(t)
	h.requireKept(t, h.builtIn)
	h.builtIn.stop(t)
	removeRoot(t, h.root)
}
