package takeover

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// installPlugin leaves what dockerd keeps of a managed plugin.
func (h *dockerHost) installPlugin(t *testing.T, enabled, source string) {
	t.Helper()
	write(t, filepath.Join(h.root, "plugins/0123/config.json"), `{"plugin":{"Config":{},"Enabled":`+enabled+
		`,"Id":"0123","Name":"dmthin:latest","Settings":{"Mounts":[{"Name":"dev","Source":"/dev"},{"Name":"data-root","Source":"`+source+`"}]}}}`)
}

func TestWhatIsMissingBeforeDockerStartsIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(h *dockerHost)
		daemon  bool
		want    string
	}{
		"nothing":            {func(*dockerHost) {}, false, "neither the managed plugin nor"},
		"host daemon":        {func(*dockerHost) {}, true, ""},
		"plugin":             {func(h *dockerHost) { h.installPlugin(t, "true", h.root) }, false, ""},
		"both":               {func(h *dockerHost) { h.installPlugin(t, "true", h.root) }, true, "Keep one"},
		"disabled plugin":    {func(h *dockerHost) { h.installPlugin(t, "false", h.root) }, false, "docker plugin enable dmthin"},
		"another data-root":  {func(h *dockerHost) { h.installPlugin(t, "true", "/var/lib/docker") }, false, "data-root.source="},
		"a plugin of others": {func(h *dockerHost) { write(t, filepath.Join(h.root, "plugins/9/config.json"), "{") }, true, ""},
	} {
		h := newDockerHost(t)
		c.prepare(h)
		if !c.daemon {
			if err := os.RemoveAll(filepath.Join(h.run, "docker")); err != nil {
				t.Fatal(err)
			}
		}
		p, err := h.begin(t).PlanAdopt(t.Context(), nil)
		notes := strings.Join(p.Notes, "\n")
		if err != nil || !strings.Contains(notes, c.want) || c.want == "" && notes != "" {
			t.Errorf("%s: %q, %v", name, notes, err)
		}
	}
}

func TestTheHostDaemonForgetsADataRootThatGoesBack(t *testing.T) {
	adopt, _, release := operations(t)
	for _, ours := range []bool{true, false} {
		h := newDockerHost(t)
		h.do(t, adopt)
		home := DMThin.state(h.root)
		if !ours {
			home = "/srv/other/dmthin"
		}
		record := filepath.Join(h.run, "dmthin/init.json")
		write(t, record, `{"boot_id":"b","request":{"Home":"`+home+`"}}`)
		h.do(t, release)
		if exists(record) == ours {
			t.Errorf("the record of %s: there is %t", home, exists(record))
		}
	}
}
