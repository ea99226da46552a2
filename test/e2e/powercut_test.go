//go:build e2e

package e2e

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The two halves of powercut.scenario.json: the machine loses its power between
// them, with both daemons and a container at work.

// powerCutState is what the first half knows when it ends.
type powerCutState struct {
	Images  string
	Layers  map[string]tree
	Counted int
	Empty   space
}

func powerCutPath() string { return filepath.Join(env.data, "powercut.state") }

// writePowerCutState does not use JSON, which can't hold every file name.
func writePowerCutState(t *testing.T, state powerCutState) {
	t.Helper()
	var text bytes.Buffer
	if err := gob.NewEncoder(&text).Encode(state); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(powerCutPath(), text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readPowerCutState(t *testing.T) (state powerCutState) {
	t.Helper()
	text, err := os.ReadFile(powerCutPath())
	if err != nil {
		t.Fatal(err)
	}
	if err := gob.NewDecoder(bytes.NewReader(text)).Decode(&state); err != nil {
		t.Fatal(err)
	}
	return state
}

// powerCutStack starts daemons that outlive the test.
func powerCutStack(t *testing.T) *stack {
	t.Helper()
	host := &hostDaemon{}
	host.start(t)
	d := newDockerd(t, dockerdConfig{
		Name: "powercut", Root: filepath.Join(env.data, "powercut"), Driver: "dmthin", Options: poolOptions,
	})
	d.start(t)
	return &stack{host: host, dockerd: d}
}

//vm:once
func TestPowerCutBefore(t *testing.T) {
	removeRoot(t, filepath.Join(env.data, "powercut"))
	if err := os.MkdirAll(filepath.Join(env.data, "powercut"), 0o711); err != nil {
		t.Fatal(err)
	}
	s := powerCutStack(t)
	state := powerCutState{Empty: spaceNow(t, s)}
	importImages(t, s)
	s.background(t, "kept", "odd", "mv /odd/owned /odd/moved; rm /odd/fifo; touch /ready; sleep 1000")
	s.shell(t, "kept", "while [ ! -e /ready ]; do usleep 100000; done")
	s.run(t, "commit", "kept", "committed")
	state.Images = s.run(t, "images", "-q", "--no-trunc")
	state.Layers = s.client(t).readLayers(t, s.dockerd)
	pid := startCounter(t, s)
	state.Counted = counted(t, pid)
	writePowerCutState(t, state)
	unix.Sync()
	requireCountsOn(t, s, pid) // and goes on when the power ends
}

// requireKept finds the lines that were synced. What the container wrote after
// the sync nobody was promised: ext4 may show some of it as zeros.
func requireKept(t *testing.T, pid, lines int) {
	t.Helper()
	path := fmt.Sprintf("/proc/%d/root/log", pid)
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range lines {
		fmt.Fprintln(&want, i+1)
	}
	if !strings.HasPrefix(string(log), want.String()) {
		t.Errorf("the container's file does not begin with the %d lines synced before the power cut: %.80q", lines, log)
	}
	eventually(t, 20*time.Second, "the container writes on", func() bool {
		now, err := os.Stat(path)
		return err == nil && now.Size() > int64(len(log))
	})
}

func TestPowerCutAfter(t *testing.T) {
	before := kernelObjects(t)
	state := readPowerCutState(t)
	s := powerCutStack(t)
	s.host.killAtEnd(t)
	s.dockerd.killAtEnd(t)
	if images := s.run(t, "images", "-q", "--no-trunc"); images != state.Images {
		t.Errorf("images %q, before the power cut %q", images, state.Images)
	}
	requireSameLayers(t, state.Layers, s.client(t).readLayers(t, s.dockerd))
	s.run(t, "start", "counter", "kept")
	pid := s.container(t, "counter").State.Pid
	requireKept(t, pid, state.Counted)
	if got := s.foreground(t, "committed", "cat /odd/moved"); got != "o" {
		t.Errorf("the committed image holds %q", got)
	}
	s.run(t, "rm", "-f", "counter", "kept")
	removeEverything(t, s, state.Empty)
	s.stop(t)
	requireNothingLeft(t, before)
}
