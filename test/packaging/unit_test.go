package packaging

import (
	"slices"
	"strings"
	"testing"
)

const unit = "contrib/systemd/dmthin.service"

// settings returns the unit's values by name, comments left out.
func settings(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for line := range strings.Lines(read(t, unit)) {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			found[key] = value
		}
	}
	return found
}

// Each of these gives the service a mount namespace of its own, where its
// mounts stay: dockerd would see empty layers.
func TestUnitStaysInTheHostsMountNamespace(t *testing.T) {
	namespaced := []string{
		"PrivateTmp", "PrivateDevices", "PrivateMounts", "PrivateUsers", "PrivateIPC", "ProtectSystem", "ProtectHome",
		"ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectProc",
		"ReadOnlyPaths", "ReadWritePaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths", "BindPaths",
		"BindReadOnlyPaths", "TemporaryFileSystem", "RootDirectory", "RootImage", "MountFlags", "MountAPIVFS",
		"DynamicUser", "LogNamespace", "ProcSubset",
	}
	have := settings(t)
	for _, key := range namespaced {
		if value, ok := have[key]; ok {
			t.Errorf("%s has %s=%s", unit, key, value)
		}
	}
}

// Layers hold setuid files and device nodes, and unpacking makes namespaces.
func TestUnitAllowsWhatLayersHold(t *testing.T) {
	have := settings(t)
	for _, key := range []string{"RestrictSUIDSGID", "RestrictNamespaces", "DevicePolicy", "ProtectClock", "SystemCallFilter", "UMask"} {
		if value, ok := have[key]; ok {
			t.Errorf("%s has %s=%s", unit, key, value)
		}
	}
}

func TestUnitStartsBeforeDocker(t *testing.T) {
	have := settings(t)
	if have["Before"] != "docker.service" || !strings.Contains(have["WantedBy"], "docker.service") || have["Type"] != "notify" {
		t.Errorf("Before=%s WantedBy=%s Type=%s", have["Before"], have["WantedBy"], have["Type"])
	}
}

// The plugin's list has been tried; the unit must not fall behind it.
func TestUnitLeavesTheCapabilitiesOfThePlugin(t *testing.T) {
	bounding := strings.Fields(settings(t)["CapabilityBoundingSet"])
	for _, name := range readConfig(t).Linux.Capabilities {
		if !slices.Contains(bounding, name) {
			t.Errorf("%s lacks %s, which config.json asks for", unit, name)
		}
	}
}
