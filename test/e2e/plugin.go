//go:build e2e

package e2e

import "testing"

// publishedPlugin is the managed plugin's name in the registry.
const publishedPlugin = registryAddress + "/dmthin/dmthin:test"

// pluginStack installs the managed plugin from the registry, as the manual
// says: with a dockerd on another storage driver, which is then stopped.
func pluginStack(tb testing.TB, name string, options ...string) *stack {
	tb.Helper()
	return pluginStackWith(tb, name, append(poolOptions[:len(poolOptions):len(poolOptions)], options...)...)
}

// pluginStackWith is pluginStack with no options but these.
func pluginStackWith(tb testing.TB, name string, options ...string) *stack {
	tb.Helper()
	root := freshRoot(tb, name)
	d := startDockerd(tb, dockerdConfig{Name: name, Root: root, Driver: "overlay2"})
	publishPlugin(tb, d)
	d.run(tb, "plugin", "install", "--grant-all-permissions", "--alias", "dmthin", publishedPlugin,
		"data-root.source="+root, "DMTHIN_LOG_LEVEL=debug")
	d.stop(tb)
	d.Driver = "dmthin"
	d.Options = options
	d.start(tb)
	return &stack{dockerd: d, plugin: d.run(tb, "plugin", "inspect", "--format", "{{.ID}}", "dmthin")}
}

// publishPlugin leaves the plugin in the registry and nowhere else.
func publishPlugin(tb testing.TB, d *dockerd) {
	tb.Helper()
	d.run(tb, "plugin", "create", publishedPlugin, env.plugin)
	d.run(tb, "plugin", "push", publishedPlugin)
	d.run(tb, "plugin", "rm", publishedPlugin)
}
