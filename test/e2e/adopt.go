//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// adoptHost is a host of Docker's built-in driver that dmthin takes over and
// hands back. Its two dockerds run on one data-root, one at a time.
type adoptHost struct {
	root   string
	config string // daemon.json
	raw    rawPool
	// stopped, if set, is called when Docker has stopped before the adoption.
	stopped func()
	top     string // image on top of the longest chain
	chain   int    // how many images that is

	builtIn, external *dockerd
	host              *hostDaemon
	plugin            string // the managed plugin's ID, where that is used
}

// newAdoptHost starts the built-in driver with these options.
func newAdoptHost(t *testing.T, name string, raw rawPool, options ...string) *adoptHost {
	t.Helper()
	h := stoppedAdoptHost(t, name, raw, options...)
	h.builtIn.start(t)
	return h
}

// stoppedAdoptHost is newAdoptHost before the start.
func stoppedAdoptHost(t *testing.T, name string, raw rawPool, options ...string) *adoptHost {
	t.Helper()
	h := adoptHostAt(t, name, freshRoot(t, name), filepath.Join(t.TempDir(), "daemon.json"), raw)
	h.configure(t, options...)
	h.builtIn.killAtEnd(t)
	h.host.killAtEnd(t)
	h.external.killAtEnd(t)
	return h
}

// deferredDeletion is what the kernel logs when the built-in driver deletes a
// device that somebody still has open; the driver tries again.
const deferredDeletion = `Deletion of thin device [0-9]+ failed`

// adoptHostAt describes a host and starts nothing.
func adoptHostAt(t *testing.T, name, root, config string, raw rawPool) *adoptHost {
	t.Helper()
	expectKernel(t, deferredDeletion)
	return &adoptHost{
		root: root, config: config, raw: raw, host: &hostDaemon{},
		builtIn:  newDockerd(t, dockerdConfig{Name: name, Root: root, Driver: "devicemapper", ConfigFile: config, Programs: builtInDocker(t)}),
		external: newDockerd(t, dockerdConfig{Name: name, Root: root, Driver: "dmthin", ConfigFile: config}),
	}
}

// configure writes daemon.json, as by somebody's own hand: what is not about
// storage must stay so.
func (h *adoptHost) configure(t *testing.T, options ...string) {
	t.Helper()
	text := "{\n\t\"labels\": [\"kept=yes\"],\n\t\"storage-driver\": \"devicemapper\",\n\t\"storage-opts\": " + encode(t, options) + "\n}\n"
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// builtInDocker is the folder of a Docker that has the built-in driver: the
// machine's own, "", or one beside the programs under test.
func builtInDocker(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("dockerd", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "version 20.10.") {
		return ""
	}
	dir := filepath.Join(filepath.Dir(env.dmthind), "docker-20.10")
	if _, err := os.Stat(filepath.Join(dir, "dockerd")); err != nil {
		t.Fatalf("no Docker with the built-in driver; make old-docker: %v", err)
	}
	return dir
}

// startDMThin starts the host daemon where there is no plugin, and dockerd on it.
func (h *adoptHost) startDMThin(t *testing.T) *stack {
	t.Helper()
	if h.plugin != "" {
		h.external.start(t)
		return &stack{dockerd: h.external, plugin: h.plugin}
	}
	h.host.start(t)
	h.external.start(t)
	return &stack{host: h.host, dockerd: h.external}
}

// takeoverResult is what the tests read of dmthin adopt and release.
type takeoverResult struct {
	PoolKind string `json:"pool_kind"`
	Findings []struct{ Name, Message string }
	Notes    []string
	Steps    []string
	Done     bool
}

// dmthin runs dmthin adopt or release.
func (h *adoptHost) dmthin(t *testing.T, args ...string) takeoverResult {
	t.Helper()
	defer timed(t, "dmthin "+strings.Join(args, " "))()
	out, err := h.tryDMThin(args...)
	if err != nil {
		t.Fatalf("dmthin %s: %v: %s", strings.Join(args, " "), err, out)
	}
	var r takeoverResult
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("dmthin %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return r
}

func (h *adoptHost) tryDMThin(args ...string) (string, error) {
	cmd := exec.Command(env.dmthin, append(args, "--data-root", h.root, "--config-file", h.config, "--format", "json")...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return said.String() + string(out), err
	}
	return string(out), nil
}
