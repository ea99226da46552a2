package conformance

import (
	"fmt"

	"github.com/docker/docker/daemon/graphdriver"
	"github.com/docker/docker/pkg/idtools"
	"github.com/docker/docker/pkg/plugingetter"
	"github.com/docker/docker/pkg/plugins"
)

// pluginName is the -s value a dockerd would use, hence the last element of
// the Home it sends.
const pluginName = "dmthin"

// socketPlugin is a legacy plugin: one socket, paths mean the same on both
// sides.
type socketPlugin struct {
	client *plugins.Client
}

func (socketPlugin) Name() string                  { return pluginName }
func (socketPlugin) ScopedPath(path string) string { return path }
func (socketPlugin) IsV1() bool                    { return true }
func (p socketPlugin) Client() *plugins.Client     { return p.client }

// socketPlugins is a plugin store holding one socketPlugin.
type socketPlugins struct {
	plugin socketPlugin
}

func (s socketPlugins) Get(name, _ string, _ int) (plugingetter.CompatPlugin, error) {
	if name != pluginName {
		return nil, fmt.Errorf("no plugin %q", name)
	}
	return s.plugin, nil
}

func (s socketPlugins) GetAllByCap(string) ([]plugingetter.CompatPlugin, error) {
	return []plugingetter.CompatPlugin{s.plugin}, nil
}

func (s socketPlugins) GetAllManagedPluginsByCap(string) []plugingetter.CompatPlugin { return nil }

func (s socketPlugins) Handle(string, func(string, *plugins.Client)) {}

// registerProxy makes graphtest's driver `name` Docker's proxy driver talking
// to socket. graphtest finds drivers only by registered name, and the proxy is
// made only for names that are not registered; hence the two names.
func registerProxy(name, socket string) error {
	client, err := plugins.NewClient("unix://"+socket, nil)
	if err != nil {
		return fmt.Errorf("plugin client for %s: %w", socket, err)
	}
	getter := socketPlugins{plugin: socketPlugin{client: client}}
	return graphdriver.Register(name, func(root string, options []string, ids idtools.IdentityMapping) (graphdriver.Driver, error) {
		return graphdriver.GetDriver(pluginName, getter, graphdriver.Options{
			Root:                root,
			DriverOptions:       options,
			IDMap:               ids,
			ExperimentalEnabled: true,
		})
	})
}
