package packaging

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// pluginConfig is the part of a plugin's config.json that grants something.
type pluginConfig struct {
	Entrypoint []string
	Interface  struct {
		Types  []string
		Socket string
	}
	Env []struct {
		Name, Value string
		Settable    []string
	}
	Mounts []struct {
		Name, Source, Destination string
		Options, Settable         []string
	}
	Linux struct {
		Capabilities    []string
		AllowAllDevices bool
		Devices         []any
	}
	Network struct{ Type string }
	IpcHost bool
	PidHost bool

	PropagatedMount string
}

func readConfig(t *testing.T) pluginConfig {
	t.Helper()
	var c pluginConfig
	if err := json.Unmarshal([]byte(read(t, "config.json")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// read returns a file of the source tree.
func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestEveryPrivilegeIsExplained(t *testing.T) {
	c, page := readConfig(t), read(t, "docs/plugin-privileges.md")
	granted := []string{"`propagatedMount`: `" + c.PropagatedMount + "`"}
	for _, name := range c.Linux.Capabilities {
		granted = append(granted, "`linux.capabilities`: `"+name+"`")
	}
	for _, m := range c.Mounts {
		granted = append(granted, "mount `"+m.Name+"`: `"+m.Source+"`")
		if slices.Contains(m.Settable, "source") {
			granted = append(granted, "| `"+m.Name+".source` |")
		}
	}
	for _, e := range c.Env {
		granted = append(granted, "| `"+e.Name+"` |")
	}
	if c.IpcHost {
		granted = append(granted, "| `ipchost` |")
	}
	if c.Linux.AllowAllDevices {
		granted = append(granted, "| `linux.allowAllDevices` |")
	}
	for _, g := range granted {
		if !strings.Contains(page, g) {
			t.Errorf("docs/plugin-privileges.md has no word on %s", g)
		}
	}
}

// The end-to-end test takes away what is in its table, so each must be there.
func TestEveryPrivilegeIsTakenAwayInATest(t *testing.T) {
	c, table := readConfig(t), read(t, "test/e2e/privileges_test.go")
	granted := append([]string{"propagatedMount"}, c.Linux.Capabilities...)
	for _, m := range c.Mounts {
		granted = append(granted, m.Name)
	}
	if c.IpcHost {
		granted = append(granted, "ipchost")
	}
	if c.Linux.AllowAllDevices {
		granted = append(granted, "allowAllDevices")
	}
	for _, g := range granted {
		if !strings.Contains(table, "\t{\""+g+"\", without") {
			t.Errorf("no test shows that %s is needed", g)
		}
	}
}

// The page promises these; each would be a privilege more.
func TestPluginAsksForNoNetworkProcessesOrListedDevices(t *testing.T) {
	c := readConfig(t)
	if c.Network.Type != "" || c.PidHost || len(c.Linux.Devices) > 0 {
		t.Errorf("network %q, pidhost %t, devices %v: want none", c.Network.Type, c.PidHost, c.Linux.Devices)
	}
}

// dockerd connects to the socket that interface names, in the folder that it
// binds at /run/docker/plugins.
func TestEntrypointListensWhereDockerdLooks(t *testing.T) {
	c := readConfig(t)
	if want := "--socket=/run/docker/plugins/" + c.Interface.Socket; !slices.Contains(c.Entrypoint, want) {
		t.Errorf("entrypoint %q lacks %s", c.Entrypoint, want)
	}
	if !slices.Equal(c.Interface.Types, []string{"docker.graphdriver/1.0"}) {
		t.Errorf("interface types %q", c.Interface.Types)
	}
}

// docker plugin rm deletes all that lies in the plugin's own folders, the
// propagated mount included.
func TestStateLivesOutsideThePlugin(t *testing.T) {
	c := readConfig(t)
	for _, m := range c.Mounts {
		if m.Name != "data-root" {
			continue
		}
		if want := "--state=" + m.Destination + "/dmthin"; !slices.Contains(c.Entrypoint, want) {
			t.Errorf("entrypoint %q lacks %s", c.Entrypoint, want)
		}
		// A recursive or shared view of the data-root would hold the layers'
		// mounts, and with them their devices.
		if !slices.Equal(m.Options, []string{"bind", "private"}) {
			t.Errorf("mount options of data-root are %q", m.Options)
		}
		return
	}
	t.Error("no mount data-root")
}
