package takeover

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmthin/dmthin/internal/state"
)

const (
	blockSize    = 64 << 10
	dataBlocks   = 10
	metadataSize = 64 << 20 // enough to map 100 GB
	topImage     = "1111111111111111111111111111111111111111111111111111111111111111"
	lowImage     = "2222222222222222222222222222222222222222222222222222222222222222"
	container    = "3333333333333333333333333333333333333333333333333333333333333333"
	// The container's layer has another ID than the container.
	layer = "4444444444444444444444444444444444444444444444444444444444444444"
)

// dockerHost is a host of Docker's built-in driver on loop files, stopped.
type dockerHost struct {
	folders
	root, config, dockerd string

	records map[string]state.Record
	intent  *state.Intent
	tid     uint64
	uuid    string
	fs      string
}

// newDockerHost has two images, one on the other, and a container.
func newDockerHost(t *testing.T) *dockerHost {
	t.Helper()
	return newDockerHostIn(t, tempDir(t))
}

// newDockerHostIn has all of the host's files in one folder.
func newDockerHostIn(t *testing.T, top string) *dockerHost {
	t.Helper()
	h := &dockerHost{
		root: filepath.Join(top, "docker"), config: filepath.Join(top, "daemon.json"), folders: folders{filepath.Join(top, "sys"), filepath.Join(top, "dev"), filepath.Join(top, "run"), top},
		records: map[string]state.Record{}, tid: 7, fs: "ext4",
	}
	write(t, filepath.Join(h.run, "docker/plugins/dmthin.sock"), "") // the host daemon's
	h.installDocker(t, "20.10.24+dfsg1, build 297e128")
	for n, name := range []string{state.BaseName, lowImage, topImage, layer + "-init", layer} {
		h.records[name] = state.Record{DeviceID: uint32(n + 1), Size: 1 << 30, TransactionID: uint64(n + 1), Initialized: name == state.BaseName}
	}
	h.intent = &state.Intent{OpenTransactionID: h.tid, Name: layer, DeviceID: 5}
	h.writeData(t)
	h.writeMetadata(t)
	h.writeRecords(t)
	h.writeStores(t)
	write(t, h.config, "{\n  \"storage-driver\": \"devicemapper\",\n  \"storage-opts\": [\"dm.basesize=1G\"],\n  \"debug\":true\n}\n")
	return h
}

// tempDir is in memory where it can be: hosts are many, and each syncs a lot.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "dmthin-takeover-") //nolint:usetesting // its folder is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// installDocker makes a dockerd that only tells its version.
func (h *dockerHost) installDocker(t *testing.T, version string) {
	t.Helper()
	h.dockerd = filepath.Join(filepath.Dir(h.root), "dockerd")
	write(t, h.dockerd, "#!/bin/sh\necho 'Docker version "+version+"'\n")
	if err := os.Chmod(h.dockerd, 0o755); err != nil {
		t.Fatal(err)
	}
}

func (h *dockerHost) host() Host {
	return Host{DataRoot: h.root, ConfigFile: h.config, Dockerd: h.dockerd}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (h *dockerHost) home(elements ...string) string {
	return filepath.Join(append([]string{h.root, "devicemapper"}, elements...)...)
}

// writeRecords writes them as Docker's driver does.
func (h *dockerHost) writeRecords(t *testing.T) {
	t.Helper()
	for name, r := range h.records {
		write(t, h.home("metadata", name), fmt.Sprintf(`{"device_id":%d,"size":%d,"transaction_id":%d,"initialized":%t,"deleted":%t}`,
			r.DeviceID, r.Size, r.TransactionID, r.Initialized, r.Deleted))
	}
	write(t, h.home("metadata", "deviceset-metadata"), fmt.Sprintf(`{"next_device_id":6,"BaseDeviceUUID":%q,"BaseDeviceFilesystem":%q}`, h.uuid, h.fs))
	if h.intent != nil {
		write(t, h.home("metadata", "transaction-metadata"), fmt.Sprintf(`{"open_transaction_id":%d,"device_hash":%q,"device_id":%d}`,
			h.intent.OpenTransactionID, h.intent.Name, h.intent.DeviceID))
	}
}

func (h *dockerHost) writeStores(t *testing.T) {
	t.Helper()
	db := filepath.Join(h.root, "image", "devicemapper")
	for chain, id := range map[string]string{"aaaa": lowImage, "bbbb": topImage} {
		write(t, filepath.Join(db, "layerdb/sha256", chain, "cache-id"), id)
		write(t, filepath.Join(db, "imagedb/content/sha256", chain), "{}")
	}
	write(t, filepath.Join(db, "layerdb/mounts", container, "mount-id"), layer)
	write(t, filepath.Join(db, "layerdb/mounts", container, "init-id"), layer+"-init")
	write(t, filepath.Join(db, "repositories.json"), "{}")
	write(t, containerFile(h.root, container), `{"State":{"Running":false},"ID":"`+container+`","Driver":"devicemapper","Config":{"Labels":{"Driver":"devicemapper"}}}`+"\n")
	write(t, containerFile(h.root, "of-another-driver"), `{"ID":"x","Driver":"overlay2"}`)
	write(t, filepath.Join(h.root, "volumes/metadata.db"), "")
}

// begin locks the host.
func (h *dockerHost) begin(t *testing.T) *Takeover {
	t.Helper()
	tk, err := open(h.host(), h.folders)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tk.Close() })
	return tk
}

// operation is adopt, undo or release.
type operation struct {
	name string
	plan func(*Takeover, []string) (Plan, error)
}

func operations(t *testing.T) (adopt, undo, release operation) {
	t.Helper()
	return operation{"adopt", func(tk *Takeover, accepted []string) (Plan, error) { return tk.PlanAdopt(t.Context(), accepted) }},
		operation{"undo", func(tk *Takeover, accepted []string) (Plan, error) { return tk.PlanUndo(t.Context(), accepted) }},
		operation{"release", func(tk *Takeover, accepted []string) (Plan, error) { return tk.PlanRelease(t.Context(), accepted) }}
}

// do plans and applies.
func (h *dockerHost) do(t *testing.T, o operation, accepted ...string) Plan {
	t.Helper()
	p, err := h.try(t, o, accepted, nil)
	if err != nil {
		t.Fatalf("%s: %v", o.name, err)
	}
	return p
}

// try is do that may fail. interrupt is asked before each step.
func (h *dockerHost) try(t *testing.T, o operation, accepted []string, interrupt func(string) error) (Plan, error) {
	t.Helper()
	tk, err := open(h.host(), h.folders)
	if err != nil {
		t.Fatal(err)
	}
	defer tk.Close()
	tk.interrupt = interrupt
	p, err := o.plan(tk, accepted)
	if err != nil {
		return p, err
	}
	return p, tk.Apply(p, func(string) {})
}

// files is everything that could have changed: modes and contents.
func (h *dockerHost) files(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	read := func(path string, info fs.FileInfo) {
		name, err := filepath.Rel(filepath.Dir(h.root), path)
		if err != nil {
			t.Fatal(err)
		}
		found[name] = info.Mode().String()
		if info.Mode().IsRegular() && info.Size() < blockSize {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			found[name] += " " + string(content)
		}
	}
	err := filepath.WalkDir(h.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			read(path, info)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(h.config); err == nil {
		read(h.config, info)
	}
	return found
}

// without leaves out the journal's folder.
func without(files map[string]string, dir string) map[string]string {
	files = maps.Clone(files)
	maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasPrefix(name, dir) })
	return files
}

func requireSame(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// settings reads daemon.json.
func (h *dockerHost) settings(t *testing.T) (s struct {
	StorageDriver string   `json:"storage-driver"`
	StorageOpts   []string `json:"storage-opts"`
	Experimental  bool
	Debug         bool
}) {
	t.Helper()
	text, err := os.ReadFile(h.config)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func findingNames(p Plan) []string {
	var names []string
	for _, f := range p.Findings {
		names = append(names, f.Name)
	}
	return names
}
