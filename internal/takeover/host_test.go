package takeover

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// moveTo renames the data-root.
func (h *dockerHost) moveTo(t *testing.T, root string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(h.root, root); err != nil {
		t.Fatal(err)
	}
	h.root = root
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
}

// dockerd mounts, and tells the host daemon, by the data-root's own name.
func TestADataRootThatIsALinkIsFollowed(t *testing.T) {
	h := newDockerHost(t)
	top := filepath.Dir(h.root)
	h.moveTo(t, filepath.Join(top, "large/docker"))
	link(t, "large/docker", filepath.Join(top, "docker"))
	h.installPlugin(t, "true", filepath.Join(top, "docker"))
	if err := os.RemoveAll(filepath.Join(h.run, "docker")); err != nil {
		t.Fatal(err)
	}
	for _, given := range []string{"docker", "docker/", "large/docker/."} {
		host := h.host()
		host.DataRoot = top + "/" + given
		tk, err := open(host, h.folders)
		if err != nil {
			t.Fatal(err)
		}
		p, err := tk.PlanAdopt(t.Context(), nil)
		if err := errors.Join(err, tk.Close()); err != nil {
			t.Fatal(err)
		}
		if p.Root != h.root || len(p.Notes) > 0 {
			t.Errorf("%s: the data-root is %s, notes %q", given, p.Root, p.Notes)
		}
	}
}

func TestADriversFolderThatIsALinkIsRefused(t *testing.T) {
	adopt, _, _ := operations(t)
	h := newDockerHost(t)
	elsewhere := filepath.Join(filepath.Dir(h.root), "elsewhere")
	if err := os.Rename(h.home(), elsewhere); err != nil {
		t.Fatal(err)
	}
	link(t, elsewhere, h.home())
	before := h.files(t)
	p, err := h.try(t, adopt, nil, nil)
	if !errors.Is(err, ErrFound) || !strings.Contains(err.Error(), "is a link") {
		t.Errorf("%v, findings %+v", err, p.Findings)
	}
	requireSame(t, "files", before, h.files(t))
}

// A host may have both, of the times before and after a change of settings.
func TestUserNamespacesSayWhichDataDockerUses(t *testing.T) {
	h := newDockerHost(t)
	top := filepath.Dir(h.root)
	remapped := filepath.Join(h.root, "231072.231072")
	write(t, filepath.Join(remapped, "devicemapper/metadata/base"), "")
	for settings, want := range map[string]string{
		`{}`: h.root, `{"userns-remap":""}`: h.root, `{"userns-remap":"default"}`: remapped,
	} {
		write(t, h.config, settings)
		tk, err := open(Host{DataRoot: filepath.Join(top, "docker"), ConfigFile: h.config}, h.folders)
		if err != nil {
			t.Fatal(err)
		}
		if tk.Root() != want {
			t.Errorf("with %s: %s", settings, tk.Root())
		}
		_ = tk.Close()
	}
}

func TestUndoFindsTheSettingsFromAnyFolder(t *testing.T) {
	adopt, undo, _ := operations(t)
	h := newDockerHost(t)
	before := h.files(t)
	absolute := h.config
	t.Chdir(filepath.Dir(absolute))
	h.config = filepath.Base(absolute)
	h.do(t, adopt)
	t.Chdir(t.TempDir())
	h.config = absolute
	h.do(t, undo)
	requireSame(t, "files", before, h.files(t))
}

// dockerd passes over them.
func TestStrayFilesInDockersFoldersAreNoHindrance(t *testing.T) {
	adopt, _, _ := operations(t)
	h := newDockerHost(t)
	for _, folder := range []string{"containers", "image/devicemapper/layerdb/sha256", "image/devicemapper/layerdb/mounts"} {
		write(t, filepath.Join(h.root, folder, "backup.tar"), "")
	}
	if p := h.do(t, adopt); p.Containers != 1 || len(p.Findings) > 0 {
		t.Errorf("%d containers, findings %+v", p.Containers, p.Findings)
	}
}

func TestSettingsOfAnotherDockerAreRefused(t *testing.T) {
	h := newDockerHost(t)
	top := filepath.Dir(h.root)
	link(t, h.root, filepath.Join(top, "link"))
	for dataRoot, same := range map[string]bool{
		h.root: true, h.root + "/": true, filepath.Join(top, "link"): true, top: false, filepath.Join(top, "other"): false, "/var/lib/docker": false,
	} {
		for _, key := range []string{"data-root", "graph"} {
			write(t, h.config, `{"`+key+`":"`+dataRoot+`"}`)
			tk, err := open(h.host(), h.folders)
			if same != (err == nil) || err != nil && (!errors.Is(err, ErrNothing) || !strings.Contains(err.Error(), "--config-file")) {
				t.Errorf("%s %s: %v", key, dataRoot, err)
			}
			if err == nil {
				_ = tk.Close()
			}
		}
	}
	remapped := filepath.Join(top, "231072.231072")
	h.moveTo(t, remapped)
	write(t, h.config, `{"data-root":"`+top+`"}`)
	if tk := h.begin(t); tk.Root() != remapped {
		t.Errorf("the data-root is %s", tk.Root())
	}
}
