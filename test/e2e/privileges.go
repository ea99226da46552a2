//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lonePlugin is a managed plugin that no dockerd has for its storage driver,
// driven by the protocol alone.
type lonePlugin struct {
	*driverClient

	root string // what the plugin sees as Docker's data-root
}

// propagatedMount is config.json's, as the plugin sees it.
const propagatedMount = "/var/lib/dmthin"

// pluginSettings are Docker's records of a plugin, in parts: what config.json
// asks for, and what the user made of it.
type pluginSettings struct{ config, settings map[string]any }

// setSource is docker plugin set, which changes both parts.
func (p pluginSettings) setSource(mount, source string) {
	for _, part := range []map[string]any{p.config, p.settings} {
		for _, m := range part["Mounts"].([]any) {
			if m := m.(map[string]any); m["Name"] == mount {
				m["Source"] = source
			}
		}
	}
}

// withoutCapability, withoutMount and without take one thing that config.json
// asks for.
func withoutCapability(name string) func(pluginSettings) {
	return func(p pluginSettings) {
		linux := p.config["Linux"].(map[string]any)
		var kept []any
		for _, c := range linux["Capabilities"].([]any) {
			if c != name {
				kept = append(kept, c)
			}
		}
		linux["Capabilities"] = kept
	}
}

func withoutMount(name string) func(pluginSettings) {
	return func(p pluginSettings) {
		for _, part := range []map[string]any{p.config, p.settings} {
			var kept []any
			for _, m := range part["Mounts"].([]any) {
				if m.(map[string]any)["Name"] != name {
					kept = append(kept, m)
				}
			}
			part["Mounts"] = kept
		}
	}
}

func without(key string, none any) func(pluginSettings) {
	return func(p pluginSettings) { p.config[key] = none }
}

func withoutDevices(p pluginSettings) { p.config["Linux"].(map[string]any)["AllowAllDevices"] = false }

// cloneFolder copies the plugin that dockerd has in a folder, files shared, under
// another ID and name, changed. dockerd, which must not run, knows it from its next
// start on. That takes a moment, and docker plugin create 15 s.
func cloneFolder(tb testing.TB, from, id, name, dataRoot string, change func(pluginSettings)) {
	tb.Helper()
	to := filepath.Join(filepath.Dir(from), id)
	shell(tb, fmt.Sprintf("cp -a --link '%s' '%s'", from, to))
	var record map[string]any
	raw, err := os.ReadFile(filepath.Join(from, "config.json"))
	if err == nil {
		err = json.Unmarshal(raw, &record)
	}
	if err != nil {
		tb.Fatal(err)
	}
	object := record["plugin"].(map[string]any)
	object["Id"], object["Name"] = id, name
	p := pluginSettings{config: object["Config"].(map[string]any), settings: object["Settings"].(map[string]any)}
	p.setSource("data-root", dataRoot)
	if change != nil {
		change(p)
	}
	if raw, err = json.Marshal(record); err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(to, "config.json")
	if err := os.Remove(file); err != nil { // it is the other's too
		tb.Fatal(err)
	}
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// enableLone starts a plugin; at the end of the returned function it is gone.
func enableLone(tb testing.TB, d *dockerd, id, name, root string) (p *lonePlugin, disable func()) {
	tb.Helper()
	d.run(tb, "plugin", "enable", "--timeout", "60", name)
	socket := filepath.Join("/run/docker/plugins", id, "dmthin.sock")
	client := newDriverClient(socket, func(path string) string {
		return filepath.Join(d.Root, "plugins", id, "propagated-mount", strings.TrimPrefix(path, propagatedMount))
	})
	client.Timeout = 2 * time.Minute // of which Init on LVM takes a third
	p = &lonePlugin{driverClient: client, root: root}
	return p, func() {
		_ = p.Call("Cleanup", struct{}{}, nil) // what it couldn't begin it can't end
		if _, err := d.try("plugin", "disable", "--force", name); err != nil {
			tb.Error(err)
		}
	}
}

// init has Home as dockerd gives it to plugins: below the propagated mount.
func (p *lonePlugin) init(options ...string) error {
	return p.Call("Init", map[string]any{"Home": propagatedMount + "/dmthin", "Opts": options}, nil)
}
