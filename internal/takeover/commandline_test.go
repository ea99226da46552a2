package takeover

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatDockerdGetsBesideItsSettingsIsSaid(t *testing.T) {
	for file, c := range map[string]struct{ text, want string }{
		"etc/systemd/system/docker.service.d/override.conf": {
			"[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --experimental --storage-driver=devicemapper \\\n  --storage-opt dm.fs=xfs\n",
			"--experimental --storage-driver --storage-opt",
		},
		"etc/sysconfig/docker-storage":      {`DOCKER_STORAGE_OPTIONS="--storage-driver devicemapper"`, "--storage-driver"},
		"etc/default/docker":                {"#DOCKER_OPTS=\"--storage-driver=x\"\nexport DOCKER_DRIVER=devicemapper\n", "DOCKER_DRIVER"},
		"lib/systemd/system/docker.service": {"ExecStart=/usr/bin/dockerd -H fd:// --data-root /srv --config-file=/etc/d.json --userns-remap=default\n", "--config-file --data-root --userns-remap"},
		"etc/systemd/system/docker.service": {"# --storage-driver\n; --graph\nExecStart=/usr/bin/dockerd --storage-drivers\n", ""},
	} {
		h := newDockerHost(t)
		write(t, filepath.Join(filepath.Dir(h.root), file), c.text)
		p, err := h.begin(t).PlanAdopt(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, note := range p.Notes {
			said = append(said, strings.TrimSuffix(strings.Fields(note)[2], ":"))
			if !strings.Contains(note, file) {
				t.Errorf("a note without %s: %s", file, note)
			}
		}
		if got := strings.Join(said, " "); got != c.want {
			t.Errorf("%s: notes on %q, want %q", file, got, c.want)
		}
	}
}
