package takeover

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmthin/dmthin/internal/state"
)

func TestAnAdoptedHostIsDMThins(t *testing.T) {
	h := newDockerHost(t)
	adopt, _, _ := operations(t)
	before := h.files(t)
	p := h.do(t, adopt)
	if len(p.Findings) > 0 || p.Pool != LoopLVM || p.Layers != 5 || p.Devices != 5 || p.Images != 2 || p.Containers != 1 || p.Filesystem != "ext4" {
		t.Errorf("plan: %+v", p)
	}
	want := map[string]string{}
	for name, content := range before {
		if strings.Contains(name, "/of-another-driver/") {
			want[name] = content
			continue
		}
		name = strings.Replace(name, "docker/devicemapper", "docker/dmthin", 1)
		name = strings.Replace(name, "image/devicemapper", "image/dmthin", 1)
		// The word in a label is the user's.
		want[name] = strings.Replace(content, `"Driver":"devicemapper","Config"`, `"Driver":"dmthin","Config"`, 1)
	}
	want["daemon.json"] = "-rw------- {\n  \"storage-driver\": \"dmthin\",\n  \"storage-opts\": [\"dm.basesize=1G\"],\n  \"debug\":true,\n  \"experimental\": true\n}\n"
	requireSame(t, "files", want, without(h.files(t), "docker/dmthin-takeover"))
}

func TestUndoLeavesEveryFileAsItWas(t *testing.T) {
	h := newDockerHost(t)
	adopt, undo, _ := operations(t)
	before := h.files(t)
	h.do(t, adopt)
	h.do(t, undo)
	requireSame(t, "files", before, h.files(t))
}

func TestADryRunChangesNothing(t *testing.T) {
	h := newDockerHost(t)
	before := h.files(t)
	p, err := h.begin(t).PlanAdopt(t.Context(), nil)
	if err != nil || len(p.Steps) < 5 {
		t.Errorf("plan %q, %v", p.Steps, err)
	}
	requireSame(t, "files", before, h.files(t))
}

func TestWithoutSettingsSomeAreMadeAndGoAgain(t *testing.T) {
	h := newDockerHost(t)
	adopt, undo, _ := operations(t)
	if err := os.Remove(h.config); err != nil {
		t.Fatal(err)
	}
	before := h.files(t)
	h.do(t, adopt)
	if s := h.settings(t); s.StorageDriver != "dmthin" || !s.Experimental {
		t.Errorf("daemon.json: %+v", s)
	}
	h.do(t, undo)
	requireSame(t, "files", before, h.files(t))
}

func TestCommitEndsTheTimeToUndo(t *testing.T) {
	h := newDockerHost(t)
	adopt, undo, release := operations(t)
	tk := h.begin(t)
	if err := tk.Commit(); !errors.Is(err, ErrNothing) {
		t.Errorf("commit of nothing: %v", err)
	}
	_ = tk.Close()
	h.do(t, adopt)
	if _, err := h.try(t, adopt, nil, nil); !errors.Is(err, ErrNothing) {
		t.Errorf("adopt twice: %v", err)
	}
	tk = h.begin(t)
	if err := tk.Commit(); err != nil {
		t.Fatal(err)
	}
	_ = tk.Close()
	if exists(journalDir(h.root)) {
		t.Error("the backups are still there")
	}
	if _, err := h.try(t, undo, nil, nil); !errors.Is(err, ErrNothing) {
		t.Errorf("undo after commit: %v", err)
	}
	if _, err := h.try(t, adopt, nil, nil); !errors.Is(err, ErrNothing) {
		t.Errorf("adopt after commit: %v", err)
	}
	h.do(t, release)
	if s := h.settings(t); s.StorageDriver != "devicemapper" || !s.Debug {
		t.Errorf("released: daemon.json is %+v", s)
	}
}

// What was made and set under dmthin comes along.
func TestUndoKeepsWhatHappenedSince(t *testing.T) {
	h := newDockerHost(t)
	adopt, undo, _ := operations(t)
	h.do(t, adopt)
	write(t, containerFile(h.root, "new"), `{"ID":"new","Driver":"dmthin"}`)
	write(t, h.config, `{"storage-driver":"dmthin","experimental":true,"storage-opts":["dm.basesize=1G","dm.error_if_no_space=false"],"debug":true,"log-level":"warn"}`)
	h.do(t, undo)
	want := `{"storage-driver":"devicemapper","experimental":true,"storage-opts":["dm.basesize=1G"],"debug":true,"log-level":"warn"}`
	if got, _ := os.ReadFile(h.config); string(got) != want {
		t.Errorf("daemon.json: %s", got)
	}
	if got, _ := os.ReadFile(containerFile(h.root, "new")); string(got) != `{"ID":"new","Driver":"devicemapper"}` {
		t.Errorf("the new container: %s", got)
	}
}

func TestEmptyFoldersOfDMThinMakeRoom(t *testing.T) {
	h := newDockerHost(t)
	adopt, undo, _ := operations(t)
	write(t, filepath.Join(h.root, "dmthin/lock"), "")
	write(t, filepath.Join(h.root, "image/dmthin/repositories.json"), "{}")
	h.do(t, adopt)
	if _, err := os.Stat(filepath.Join(h.root, "dmthin/metadata/base")); err != nil {
		t.Error(err)
	}
	h.do(t, undo)
	if exists(filepath.Join(h.root, "dmthin")) {
		t.Error("an empty folder of dmthin is back in the way")
	}
}

func TestFullFoldersOfDMThinAreRefused(t *testing.T) {
	for _, file := range []string{"dmthin/metadata/base", "image/dmthin/layerdb/sha256/cccc/cache-id"} {
		h := newDockerHost(t)
		adopt, _, _ := operations(t)
		write(t, filepath.Join(h.root, file), `{"device_id":1,"size":4096}`)
		before := h.files(t)
		p, err := h.try(t, adopt, nil, nil)
		if !errors.Is(err, ErrFound) || len(p.Findings) == 0 {
			t.Errorf("with %s: %v, %+v", file, err, p.Findings)
		}
		requireSame(t, file, before, h.files(t))
	}
}

// Docker's driver has no record of a transaction after it took one back.
func TestAMissingTransactionIsWrittenAndTakenBack(t *testing.T) {
	h := newDockerHost(t)
	adopt, undo, _ := operations(t)
	if err := os.Remove(h.home("metadata", intentName)); err != nil {
		t.Fatal(err)
	}
	before := h.files(t)
	h.do(t, adopt)
	i, ok, err := state.Look(DMThin.state(h.root)).Intent()
	if want := (state.Intent{OpenTransactionID: h.tid}); err != nil || !ok || i != want {
		t.Errorf("transaction: %+v, %t, %v", i, ok, err)
	}
	h.do(t, undo)
	requireSame(t, "files", before, h.files(t))
}

func TestTheDaemonsAreKeptOut(t *testing.T) {
	h := newDockerHost(t)
	first := h.begin(t)
	if _, err := open(h.host(), h.folders); !errors.Is(err, ErrBusy) {
		t.Errorf("a second run: %v", err)
	}
	_ = first.Close()
	volumes := &Takeover{}
	if err := volumes.hold(filepath.Join(h.root, "volumes/metadata.db"), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := open(h.host(), h.folders); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "dockerd runs") {
		t.Errorf("beside dockerd: %v", err)
	}
	_ = volumes.Close()
	daemon, err := state.Open(filepath.Join(h.root, "dmthin"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(h.host(), h.folders); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "dmthind runs") {
		t.Errorf("beside dmthind: %v", err)
	}
	if err := daemon.Close(); err != nil {
		t.Fatal(err)
	}
	h.begin(t)
	if _, err := state.Open(filepath.Join(h.root, "dmthin")); !errors.Is(err, state.ErrLocked) {
		t.Errorf("a dmthind that starts meanwhile: %v", err)
	}
}

func TestActiveDevicesAreRefused(t *testing.T) {
	h := newDockerHost(t)
	adopt, _, _ := operations(t)
	prefix, err := h.begin(t).devicePrefix(BuiltIn)
	if err != nil {
		t.Fatal(err)
	}
	h = &dockerHost{root: h.root, config: h.config, dockerd: h.dockerd, folders: h.folders}
	write(t, filepath.Join(h.sys, "block/dm-3/dm/name"), prefix+"pool\n")
	tk := &Takeover{host: h.host(), root: h.root, folders: h.folders}
	if tk.config, err = readDocument(h.config); err != nil {
		t.Fatal(err)
	}
	if _, err := adopt.plan(tk, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("with an active pool: %v", err)
	}
	write(t, filepath.Join(h.sys, "block/dm-3/dm/name"), "docker-1:2-3-pool\n")
	if _, err := adopt.plan(tk, nil); err != nil {
		t.Errorf("with another docker's pool: %v", err)
	}
}

func TestRemappedRootsAreFound(t *testing.T) {
	h := newDockerHost(t)
	top := filepath.Dir(h.root)
	remapped := filepath.Join(top, "var", "231072.231072")
	if err := os.MkdirAll(filepath.Dir(remapped), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(h.root, remapped); err != nil {
		t.Fatal(err)
	}
	h.root = remapped
	host := h.host()
	host.DataRoot = filepath.Join(top, "var")
	tk, err := open(host, h.folders)
	if err != nil {
		t.Fatal(err)
	}
	defer tk.Close()
	p, err := tk.PlanAdopt(t.Context(), nil)
	if err != nil || p.Root != remapped || !strings.Contains(strings.Join(p.Notes, "\n"), "userns-remap") {
		t.Errorf("plan for %s, %q: %v", p.Root, p.Notes, err)
	}
	write(t, filepath.Join(top, "var/1.2/dmthin/lock"), "")
	if _, err := open(host, h.folders); !errors.Is(err, ErrNothing) {
		t.Errorf("with two: %v", err)
	}
	if _, err := open(Host{DataRoot: t.TempDir(), ConfigFile: h.config}, h.folders); !errors.Is(err, ErrNothing) {
		t.Errorf("with none: %v", err)
	}
}

func TestDockersRelease(t *testing.T) {
	adopt, _, release := operations(t)
	for _, c := range []struct {
		operation operation
		version   string
		note      string
		err       error
	}{
		{adopt, "20.10.24+dfsg1, build 297e128", "", nil},
		{adopt, "26.1.5+dfsg1, build a72d7cd", "", nil},
		{adopt, "18.09.1, build 4c52b90", "20.10 and later", nil},
		{adopt, "27.5.1, build 4c9b3b0", "DOCKERD_DEPRECATED_GRAPHDRIVER_PLUGINS=1", nil},
		{adopt, "28.0.0, build f9ced58", "", ErrTooNew},
		{release, "24.0.9, build fca702d", "", nil},
		{release, "26.1.5+dfsg1, build a72d7cd", "release 24 or earlier", nil},
	} {
		h := newDockerHost(t)
		if c.operation.name == "release" {
			h.do(t, adopt)
		}
		h.installDocker(t, c.version)
		before := h.files(t)
		p, err := c.operation.plan(h.begin(t), nil)
		if !errors.Is(err, c.err) || err != nil && c.err == nil {
			t.Errorf("%s with %s: %v", c.operation.name, c.version, err)
		}
		if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, c.note) || c.note == "" && notes != "" {
			t.Errorf("%s with %s says %q", c.operation.name, c.version, notes)
		}
		requireSame(t, c.version, before, h.files(t))
	}
}

func TestReleaseRefusesWhatDockerCanNotRead(t *testing.T) {
	for name, change := range map[string]func(*state.Record){
		"applying":  func(r *state.Record) { r.Stage = state.StageApplying },
		"preparing": func(r *state.Record) { r.Stage = state.StagePreparing },
		"root":      func(r *state.Record) { r.Root = "." },
	} {
		h := newDockerHost(t)
		adopt, _, release := operations(t)
		h.do(t, adopt)
		records, err := state.Open(DMThin.state(h.root))
		if err != nil {
			t.Fatal(err)
		}
		r := h.records[topImage]
		change(&r)
		if err := errors.Join(records.Put(topImage, r), records.Close()); err != nil {
			t.Fatal(err)
		}
		before := h.files(t)
		p, err := h.try(t, release, nil, nil)
		if !errors.Is(err, ErrFound) || !cmp.Equal(findingNames(p)[:1], []string{topImage}) {
			t.Errorf("%s: %v, %q", name, err, findingNames(p))
		}
		requireSame(t, name, before, h.files(t))
	}
}
