package takeover

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
)

// managedPlugin is what dockerd keeps of a plugin it installed.
type managedPlugin struct {
	Plugin struct {
		Name     string
		Enabled  bool
		Settings struct {
			Mounts []struct{ Name, Source string }
		}
	} `json:"plugin"`
}

// findPlugin looks for dmthin among the managed plugins.
func (t *Takeover) findPlugin() (managedPlugin, bool) {
	files, err := filepath.Glob(filepath.Join(t.root, "plugins", "*", "config.json"))
	if err != nil {
		return managedPlugin{}, false
	}
	for _, file := range files {
		var p managedPlugin
		text, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(text, &p) != nil {
			continue // dockerd itself goes on without it
		}
		if name, _, _ := strings.Cut(p.Plugin.Name, ":"); name == string(DMThin) {
			return p, true
		}
	}
	return managedPlugin{}, false
}

// examineForms says what is missing before dockerd can start on dmthin: it
// doesn't start on a driver that is not there, and only a running one installs
// plugins.
func (t *Takeover) examineForms(p *Plan) {
	if p.to != DMThin {
		return
	}
	note := func(text string) { p.Notes = append(p.Notes, text) }
	plugin, managed := t.findPlugin()
	hostDaemon := exists(filepath.Join(t.run, "docker", "plugins", string(DMThin)+".sock"))
	switch {
	case !managed && !hostDaemon:
		note("neither the managed plugin nor a running host daemon is here: docker does not start on dmthin without one. " +
			"Start the host daemon before docker; or start docker as it is now, install the plugin, and come back")
	case managed && hostDaemon:
		note("both the managed plugin and the host daemon are here: docker uses the plugin. Keep one")
	case managed && !plugin.Plugin.Enabled:
		note("the managed plugin is disabled: start docker as it is now, docker plugin enable " + string(DMThin) + ", and come back")
	}
	if !managed {
		return
	}
	for _, m := range plugin.Plugin.Settings.Mounts {
		if source, err := realPath(m.Source); m.Name == "data-root" && (err != nil || source != t.root) {
			note("the managed plugin looks for its data in " + m.Source + ": docker plugin set " + string(DMThin) + " data-root.source=" + t.root + ", while it is disabled")
		}
	}
}
