//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
}

// newAdoptHost starts the built-in driver with these options.
func newAdoptHost(t *testing.T, name string, raw rawPool, options ...string) *adoptHost {
	t.Helper()
	h := adoptHostAt(t, name, freshRoot(t, name), filepath.Join(t.TempDir(), "daemon.json"), raw)
	h.configure(t, options...)
	h.builtIn.killAtEnd(t)
	h.host.killAtEnd(t)
	h.external.killAtEnd(t)
	h.builtIn.start(t)
	return h
}

// adoptHostAt describes a host and starts nothing.
func adoptHostAt(t *testing.T, name, root, config string, raw rawPool) *adoptHost {
	t.Helper()
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

// startDMThin starts the host daemon, and dockerd on it.
func (h *adoptHost) startDMThin(t *testing.T) *stack {
	t.Helper()
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

// facts are what users see of images and containers, by the command that shows
// it.
type facts map[string]string

// readFacts asks the running dockerd.
func readFacts(t *testing.T, d *dockerd) facts {
	t.Helper()
	f := facts{}
	for _, command := range [][]string{
		{"images", "--all", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"},
		{"ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Image}} {{.Names}} {{.Command}}"},
	} {
		lines := strings.Split(d.run(t, command...), "\n")
		slices.Sort(lines)
		f[command[0]] = strings.Join(lines, "\n")
	}
	for _, line := range strings.Split(f["images"], "\n") {
		id, _, _ := strings.Cut(line, " ")
		f["image "+id] = inspected(t, d, "/images/"+id+"/json")
	}
	for _, line := range strings.Split(f["ps"], "\n") {
		id, _, _ := strings.Cut(line, " ")
		f["container "+id] = inspected(t, d, "/containers/"+id+"/json")
		var changes []struct {
			Path string
			Kind int
		}
		d.ask(t, "/containers/"+id+"/changes", &changes)
		slices.SortFunc(changes, func(a, b struct {
			Path string
			Kind int
		}) int {
			return strings.Compare(a.Path, b.Path)
		})
		f["diff "+id] = fmt.Sprint(changes) // the same for none, however dockerd says it
	}
	return f
}

// inspected leaves out what is the driver's, what a start changes, and what
// only one of two Dockers says.
func inspected(t *testing.T, d *dockerd, path string) string {
	t.Helper()
	var object map[string]json.RawMessage
	d.ask(t, path, &object)
	rest := map[string]json.RawMessage{}
	for _, key := range []string{"Id", "Created", "Path", "Args", "Image", "Name", "Mounts", "RepoTags", "Parent", "Comment", "Architecture", "Os", "Size", "RootFS"} {
		if value, ok := object[key]; ok {
			rest[key] = value
		}
	}
	return encode(t, rest)
}

func requireSameFacts(t *testing.T, when string, want, got facts) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s, docker doesn't show what it did (-before +after):\n%s", when, diff)
	}
}
